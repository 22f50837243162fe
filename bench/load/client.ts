import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createPointsClient } from "../../src/client/client.ts";
import type { Job } from "./job.ts";
import { nameOf } from "./requests.ts";
import type { Tally } from "./tally.ts";
import type { Load } from "./unary.ts";
import { userPicker } from "./users.ts";

/**
 * Starts a load of unary Consumes through `points/client`, as an application calls it: with or
 * without batching. Its own CPU is many times that of the loads that write HTTP/2 by hand.
 */
export function startClient(job: Job, tally: Tally): Promise<Load> {
  const nextUser = userPicker(job.spread);
  const client = createPointsClient(createGrpcTransport({ baseUrl: job.url }), {
    batch: job.kind === "batching",
  });
  const cost = { case: "points", value: 1n } as const;
  let requests = 0;
  let isStopping = false;

  async function callOnAndOn(): Promise<void> {
    while (!isStopping) {
      const startedAt = performance.now();
      const userId = nameOf(job.spread, nextUser());
      const requestId = `${job.nonce}-${(requests += 1)}`;
      try {
        await client.consume({ userId, requestId, cost }, { timeoutMs: 30_000 });
        tally.answered(startedAt, 1, 1);
      } catch (error) {
        tally.refused(ConnectError.from(error, Code.Unknown).code, 1);
      }
    }
  }
  const calls = Array.from({ length: job.inFlight }, callOnAndOn);
  return Promise.resolve({
    async finish() {
      isStopping = true;
      await Promise.all(calls);
    },
  });
}
