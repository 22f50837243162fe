import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { PointsService } from "../gen/points/v1/points_pb.ts";
import { startCluster } from "./cluster.ts";
import { nameOf } from "./load/requests.ts";
import { createSamples, latencyOf } from "./load/samples.ts";
import { median } from "./results.ts";
import { seed } from "./seed.ts";
import { startPoints } from "./servers.ts";

// Fairness benchmark: `npm run bench:fairness`. It measures the cost of one busy account for the
// others of its lane. There is one lane. A thousand accounts are called once a second each; beside
// them, in turn, no other account, one account a hundred times a second, and one account with 64
// calls always in flight.

const ACCOUNTS = 1_000;
const BUSY_PER_SECOND = 100;
const BUSY_IN_FLIGHT = 64;
const ROUNDS = 5;
const ROUND_MS = 6_000;
const LOTS = 2;

const cluster = await startCluster();
try {
  const database = await cluster.createDatabase("fairness");
  await seed(database, { prefix: "user-", accounts: ACCOUNTS, lots: LOTS, consumes: 0 });
  await seed(database, { prefix: "solo-", accounts: 1, lots: LOTS, consumes: 0 });
  const server = await startPoints(database.url, { LANES: "1" });
  const calls = callsOf(server.url);
  await others(calls); // Warm-up.
  const neighbours = [
    { name: "nobody", load: () => Promise.resolve(), p99s: new Array<number>() },
    {
      name: `one account, ${BUSY_PER_SECOND} calls a second`,
      load: () => paced(1_000 / BUSY_PER_SECOND, calls.busy),
      p99s: new Array<number>(),
    },
    {
      name: `one account, ${BUSY_IN_FLIGHT} calls in flight`,
      load: () => Promise.all(Array.from({ length: BUSY_IN_FLIGHT }, () => endless(calls.busy))),
      p99s: new Array<number>(),
    },
  ];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { load, p99s } of neighbours) {
      const [{ p99Ms }] = await Promise.all([others(calls), load()]);
      p99s.push(p99Ms);
    }
  }
  await server.stop();
  const alone = median(neighbours[0]!.p99s);
  for (const { name, p99s } of neighbours) {
    const p99 = median(p99s);
    const times = (p99 / alone).toFixed(2);
    console.log(`beside ${name}: p99 of the others ${p99.toFixed(2)} ms, ${times} times`);
  }
} finally {
  await cluster.remove();
}

type Calls = { readonly other: () => Promise<unknown>; readonly busy: () => Promise<unknown> };

function callsOf(baseUrl: string): Calls {
  const client = createClient(PointsService, createGrpcTransport({ baseUrl }));
  let next = 0;
  const consume = (prefix: string, number: number) =>
    client.consume({
      userId: nameOf({ prefix }, number),
      requestId: crypto.randomUUID(),
      cost: { case: "points", value: 1n },
    });
  return {
    other: () => consume("user-", 1 + (next++ % ACCOUNTS)),
    busy: () => consume("solo-", 1),
  };
}

/** Calls each of the others once a second, and gives the latencies. */
async function others({ other }: Calls) {
  const samples = createSamples();
  await paced(1_000 / ACCOUNTS, async () => {
    const startedAt = performance.now();
    await other();
    samples.add(performance.now() - startedAt);
  });
  return latencyOf(samples.sorted());
}

/** Open loop: calls at this interval, without waiting for earlier answers. */
async function paced(everyMs: number, call: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  const underWay: Promise<unknown>[] = [];
  for (let count = 0; count * everyMs < ROUND_MS;) {
    const due = Math.floor((performance.now() - startedAt) / everyMs);
    for (; count <= due && count * everyMs < ROUND_MS; count += 1) underWay.push(call());
    await sleep(1);
  }
  await Promise.all(underWay);
}

async function endless(call: () => Promise<unknown>): Promise<void> {
  const endsAt = performance.now() + ROUND_MS;
  while (performance.now() < endsAt) await call();
}
