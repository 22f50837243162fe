import pg from "pg";
import type { Job } from "./job.ts";
import { nameOf } from "./requests.ts";
import type { Tally } from "./tally.ts";
import type { Load } from "./unary.ts";
import { userPicker } from "./users.ts";

/** Calls the SQL function as a prepared statement, once a transaction, over several connections. */
export async function startFunctionCalls(job: Job, tally: Tally): Promise<Load> {
  const nextUser = userPicker(job.spread);
  let requests = 0;
  let isStopping = false;

  async function callUntilStopped(client: pg.Client): Promise<void> {
    while (!isStopping) {
      const values = [nameOf(job.spread, nextUser()), `${job.nonce}-${(requests += 1)}`];
      const startedAt = performance.now();
      await client.query({ name: "consume", text: "select bench.consume($1, $2, 1)", values });
      tally.answered(startedAt, 1, 1);
    }
    await client.end();
  }

  const clients = Array.from(
    { length: job.inFlight },
    () => new pg.Client({ connectionString: job.url }),
  );
  await Promise.all(clients.map((client) => client.connect()));
  const calls = clients.map(callUntilStopped);
  return {
    async finish() {
      isStopping = true;
      await Promise.all(calls);
    },
  };
}
