import { setTimeout as sleep } from "node:timers/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { PointsService } from "../gen/points/v1/points_pb.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { lookAtMachine } from "./machine.ts";
import { startPoints, stopServers } from "./servers.ts";

// Noisy neighbour benchmark: `npm run bench:due`. It measures the cost for others when thousands of
// holds or lots of one account fall due at one instant. Eight other accounts are charged all the
// time, and the account is called at that instant. With --against it does the same with another
// checkout in the same run.

const OTHERS = 8;
const HOLDS = 16_000;
const LOTS = 4_000;
const QUIET_MS = 3_000;
/** The report says "never" for an account without an answer by then. */
const PATIENCE_MS = 60_000;
const BATCH_OPS = 500;
/** The time to make all of them before they fall due. */
const LEAD_MS = 90_000;

const { values } = parseArgs({ options: { against: { type: "string" } } });
const here = resolve(import.meta.dirname, "..");
const checkouts = [
  ...(values.against === undefined ? [] : [{ name: "there", folder: resolve(values.against) }]),
  { name: "here", folder: here },
];

const cluster = await startCluster();
try {
  const { cpu, cores, commit, postgres } = await lookAtMachine(cluster);
  console.log(`${cpu}, ${cores} cores, PostgreSQL ${postgres}, commit ${commit}`);
  for (const { name, folder } of checkouts) {
    for (const what of ["holds", "lots"] as const) await measure(cluster, name, folder, what);
  }
} finally {
  await stopServers();
  await cluster.remove();
}

async function measure(on: Cluster, name: string, folder: string, what: "holds" | "lots") {
  const database = await on.createEmpty(`${name}_${what}`);
  const server = await startPoints(database.url, {}, folder);
  const client = createClient(PointsService, createGrpcTransport({ baseUrl: server.url }));
  const others = Array.from({ length: OTHERS }, (_, index) => `other-${index}`);
  for (const userId of others) await client.recharge({ userId, points: 1_000_000_000n });
  const dueAt = Date.now() + LEAD_MS;
  await (what === "holds" ? freeze(client, dueAt) : recharge(client, dueAt));
  if (Date.now() > dueAt - QUIET_MS) throw new Error("it took too long to make what is to be due");
  await sleep(Math.max(0, dueAt - QUIET_MS - Date.now()));

  const quiet = await longestWait(client, others, sleep(QUIET_MS - 100));
  await sleep(Math.max(0, dueAt + 1 - Date.now()));
  const startedAt = performance.now();
  const booked = (what === "holds" ? untilOpened(client) : untilRefused(client)).then(
    (answered) => ({ answered, ms: performance.now() - startedAt }),
  );
  const busy = await longestWait(client, others, booked);
  const { answered, ms } = await booked;
  const took = answered ? `${Math.round(ms)} ms` : `not within ${PATIENCE_MS / 1_000} s`;
  const count = what === "holds" ? HOLDS : LOTS;
  console.log(
    `${name}: ${count} ${what} due: longest wait of ${OTHERS} others ${Math.round(busy)} ms ` +
      `(${Math.round(quiet)} before), the account is answered ${took}`,
  );
  await server.stop();
}

type Points = Client<typeof PointsService>;

async function freeze(client: Points, dueAt: number): Promise<void> {
  await client.recharge({ userId: "due", points: BigInt(HOLDS) });
  const one = { case: "points", value: 1n } as const;
  const value = { userId: "due", cost: one, expiration: at(dueAt) } as const;
  for (let made = 0; made < HOLDS; made += BATCH_OPS) {
    const operations = Array.from({ length: BATCH_OPS }, () => ({
      operation: { case: "freeze", value } as const,
    }));
    const { results } = await client.applyBatch({ operations }, { timeoutMs: PATIENCE_MS });
    if (results.some(({ result }) => result.case === "error")) throw new Error("not all was made");
  }
}

async function recharge(client: Points, dueAt: number): Promise<void> {
  const value = { userId: "due", points: 1n, expiration: at(dueAt) } as const;
  for (let made = 0; made < LOTS; made += BATCH_OPS) {
    const operations = Array.from({ length: BATCH_OPS }, () => ({
      operation: { case: "recharge", value } as const,
    }));
    const { results } = await client.applyBatch({ operations }, { timeoutMs: PATIENCE_MS });
    if (results.some(({ result }) => result.case === "error")) throw new Error("not all was made");
  }
}

function at(ms: number) {
  const seconds = BigInt(Math.floor(ms / 1_000));
  return { case: "expireTime", value: { seconds, nanos: (ms % 1_000) * 1_000_000 } } as const;
}

/** Calls the account until it is answered; false if it never is. */
async function untilOpened(client: Points): Promise<boolean> {
  for (const endsAt = performance.now() + PATIENCE_MS; performance.now() < endsAt;) {
    try {
      await client.getOrCreate({ userId: "due" }, { timeoutMs: PATIENCE_MS });
      return true;
    } catch {
      await sleep(100);
    }
  }
  return false;
}

/** Sends twenty batches of charges, which are all refused because nothing is left. */
async function untilRefused(client: Points): Promise<boolean> {
  const cost = { case: "points", value: 1n } as const;
  const operations = Array.from({ length: BATCH_OPS }, () => ({
    operation: { case: "consume", value: { userId: "due", cost } } as const,
  }));
  const endsAt = performance.now() + PATIENCE_MS;
  for (let batch = 0; batch < 20; batch += 1) {
    if (performance.now() > endsAt) return false;
    await client.applyBatch({ operations }, { timeoutMs: PATIENCE_MS }).catch(() => {});
  }
  return performance.now() < endsAt;
}

/** Charges all of these accounts, one call in flight each, until `over` settles. */
async function longestWait(client: Points, users: readonly string[], over: Promise<unknown>) {
  let [isOver, longest] = [false, 0];
  void over.then(() => (isOver = true));
  const cost = { case: "points", value: 1n } as const;
  const charge = async (userId: string) => {
    while (!isOver) {
      const startedAt = performance.now();
      await client.consume({ userId, cost }, { timeoutMs: PATIENCE_MS }).catch(() => {});
      longest = Math.max(longest, performance.now() - startedAt);
      await sleep(5);
    }
  };
  await Promise.all(users.map(charge));
  return longest;
}
