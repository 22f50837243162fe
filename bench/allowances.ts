import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { CalendarUnit } from "../gen/points/v1/policy_pb.ts";
import { PointsService } from "../gen/points/v1/points_pb.ts";
import { startCluster } from "./cluster.ts";
import { lookAtMachine } from "./machine.ts";
import { cpuMicrosOf } from "./processes.ts";
import { startPoints, stopServers } from "./servers.ts";

// `npm run bench:allowances`: what it costs when the allowances of 100,000 accounts are due at one
// instant. The sweeper looks each second; eight other accounts are charged all the time.

const ACCOUNTS = 100_000;
const OTHERS = 8;
const BATCH_OPS = 1_000;
const SPAN_MS = 5_000;
const LEAD_MS = 120_000;
const EVERY = { unit: CalendarUnit.MONTH };

type Points = Client<typeof PointsService>;

const cluster = await startCluster();
try {
  const { cpu, cores, commit, postgres } = await lookAtMachine(cluster);
  console.log(`${cpu}, ${cores} cores, PostgreSQL ${postgres}, commit ${commit}`);
  const database = await cluster.createEmpty("allowances");
  const server = await startPoints(database.url, { SWEEP_SECONDS: "1" });
  const client = createClient(PointsService, createGrpcTransport({ baseUrl: server.url }));
  const others = Array.from({ length: OTHERS }, (_, index) => `other-${index}`);
  for (const userId of others) await client.recharge({ userId, points: 1_000_000_000n });

  const dueAt = Date.now() + LEAD_MS;
  await putAllowances(client, dueAt);
  console.log(`${ACCOUNTS} allowances set, ${Math.round((dueAt - Date.now()) / 1_000)} s before`);
  await sleep(dueAt - SPAN_MS - 500 - Date.now());
  report("before that instant", await measure(client, server.pid, others));
  await sleep(Math.max(0, dueAt - Date.now()));
  report("from that instant on", await measure(client, server.pid, others));

  const startedAt = performance.now();
  const { account } = await client.getOrCreate({ userId: "account-7" });
  const ms = (performance.now() - startedAt).toFixed(1);
  console.log(`the first who comes has ${account!.balance} points after ${ms} ms`);
  const { entries } = await client.listEntries({ userId: "account-8" });
  console.log(`one who has not come has ${entries.length} entry`);
} finally {
  await stopServers();
  await cluster.remove();
}

async function putAllowances(client: Points, dueAt: number): Promise<void> {
  const startTime = { seconds: BigInt(Math.floor(dueAt / 1_000)), nanos: 0 };
  const value = { points: 100n, every: EVERY, startTime };
  const policy = { name: "monthly", rule: { case: "allowance", value } as const };
  for (let made = 0; made < ACCOUNTS; made += BATCH_OPS) {
    const operations = Array.from({ length: BATCH_OPS }, (_, index) => ({
      operation: {
        case: "putPolicy",
        value: { userId: `account-${made + index}`, policy },
      } as const,
    }));
    const { results } = await client.applyBatch({ operations }, { timeoutMs: LEAD_MS });
    if (results.some(({ result }) => result.case === "error")) throw new Error("not all was set");
  }
}

/** Charges the others, one call in flight each. */
async function measure(client: Points, pid: number, users: readonly string[]) {
  const before = cpuMicrosOf(pid)!;
  const endsAt = performance.now() + SPAN_MS;
  let [charges, longest] = [0, 0];
  const charge = async (userId: string) => {
    while (performance.now() < endsAt) {
      const startedAt = performance.now();
      await client.consume({ userId, cost: { case: "points", value: 1n } });
      longest = Math.max(longest, performance.now() - startedAt);
      charges += 1;
      await sleep(5);
    }
  };
  await Promise.all(users.map(charge));
  return { charges, longest, cpuMs: (cpuMicrosOf(pid)! - before) / 1_000 };
}

function report(when: string, measured: Awaited<ReturnType<typeof measure>>): void {
  const { charges, longest, cpuMs } = measured;
  console.log(
    `${when}: ${charges} charges of others in ${SPAN_MS / 1_000} s, the longest took ` +
      `${longest.toFixed(1)} ms, the server ${Math.round(cpuMs)} ms of CPU`,
  );
}
