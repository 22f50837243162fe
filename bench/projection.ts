import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Database, startCluster } from "./cluster.ts";
import { runLoad, stopLoads } from "./load/job.ts";
import { lookAtMachine } from "./machine.ts";
import { startCosts } from "./measure.ts";
import { median } from "./results.ts";
import { seed } from "./seed.ts";
import { type Server, startPoints, stopServers } from "./servers.ts";

// `npm run bench:projection -- [--minutes N] [--slices N]`: what the projector costs under full load.
// Two servers, each on a database of its own, take the same charges in turn, slice by slice: one keeps
// the index and the sums, of request ids and two keys of metadata, the other does not. A slice with the
// projector ends when it has caught up. Prints CPU a charge of server and PostgreSQL, their ratio (the
// goal: at most 1.25), the largest lag (below 5 s), and memory.

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    slices: { type: "string", default: "10" },
    accounts: { type: "string", default: "100000" },
  },
});
const slices = Number(values.slices);
const seconds = (Number(values.minutes) * 60) / slices;
const accounts = Number(values.accounts);

const KEYS = ["order_id", "job"];
const IN_FLIGHT = 256;
const LOOK_MS = 250;
const GOALS = { ratio: 1.25, lagSeconds: 5 };

type Side = {
  readonly database: Database;
  readonly server: Server;
  readonly projects: boolean;
};

/** Of a slice; CPU in microseconds a charge. */
type Cost = {
  readonly server: number;
  readonly postgres: number;
  readonly chargesPerSecond: number;
  readonly lagSeconds: number;
  readonly rssBytes: number;
};

let loads = 0;
const cluster = await startCluster();
try {
  const { cpu, cores, commit, postgres } = await lookAtMachine(cluster);
  console.log(`${cpu}, ${cores} cores, PostgreSQL ${postgres}, commit ${commit}`);
  const off = await sideOf("without", false);
  const on = await sideOf("projected", true);
  // Compiled code and filled caches on both sides.
  for (const side of [off, on]) await costOf(side, Math.min(20, seconds));
  const [costs, bare]: Cost[][] = [[], []];
  console.log("\nCPU µs a charge, with the projector and without, and their ratio");
  for (let slice = 0; slice < slices; slice += 1) {
    const order = slice % 2 === 0 ? [on, off] : [off, on];
    for (const side of order) (side.projects ? costs! : bare!).push(await costOf(side, seconds));
    const [mine, other] = [costs!.at(-1)!, bare!.at(-1)!];
    console.log(`  ${text(mine)}   ${text(other)}   ${ratioOf(mine, other).toFixed(3)}`);
  }
  report(costs!, bare!);
} finally {
  stopLoads();
  await stopServers();
  await cluster.remove();
}

async function sideOf(name: string, projects: boolean): Promise<Side> {
  const database = await cluster.createDatabase(name);
  await seed(database, { prefix: "user-", accounts, lots: 2, consumes: 0 });
  const server = await startPoints(database.url, {
    PROJECT: projects ? "on" : "off",
    SEARCH_KEYS: KEYS.join(),
  });
  if (projects) await caughtUp(database);
  return { database, server, projects };
}

async function costOf({ database, server, projects }: Side, loadSeconds: number): Promise<Cost> {
  const end = await startCosts(cluster, database, server.pid);
  const lag = projects ? watchLag(database) : undefined;
  const result = await runLoad(
    {
      kind: "consume",
      url: server.url,
      inFlight: IN_FLIGHT,
      connections: 1,
      spread: { prefix: "user-", accounts, by: "evenly", keys: KEYS },
      warmSeconds: 0,
      seconds: loadSeconds,
      nonce: (loads += 1).toString(36).padStart(6, "0"),
    },
    () => {},
  );
  if (Object.keys(result.refused).length > 0) throw new Error(JSON.stringify(result.refused));
  const lagSeconds = (await lag?.()) ?? 0;
  if (projects) await caughtUp(database);
  const { serverCpuMicros, postgresCpuMicros, serverRssBytes } = await end();
  if (serverCpuMicros === undefined || postgresCpuMicros === undefined) {
    throw new Error("this machine tells no CPU");
  }
  return {
    server: serverCpuMicros / result.answered,
    postgres: postgresCpuMicros / result.answered,
    chargesPerSecond: result.operations / result.seconds,
    lagSeconds,
    rssBytes: serverRssBytes ?? 0,
  };
}

/** Waits until all that is committed now is in the index and the sums. */
async function caughtUp({ query }: Database): Promise<void> {
  const [row] = await query<{ now: string }>("select clock_timestamp()::text as now");
  const passed = () =>
    query("select from points.projection where caught_up_to >= $1::timestamptz", [row!.now]);
  while ((await passed()).length === 0) await sleep(LOOK_MS);
}

/** @returns a function that ends the watch and gives the largest lag */
function watchLag({ query }: Database): () => Promise<number> {
  let isOver = false;
  let largest = 0;
  const watching = (async () => {
    while (!isOver) {
      const [row] = await query<{ lag: string }>(
        "select extract(epoch from clock_timestamp() - caught_up_to) as lag from points.projection",
      );
      largest = Math.max(largest, Number(row!.lag));
      await sleep(LOOK_MS);
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return largest;
  };
}

function text({ server, postgres }: Cost): string {
  return `${server.toFixed(1)} + ${postgres.toFixed(1)}`;
}

function ratioOf(mine: Cost, other: Cost): number {
  return (mine.server + mine.postgres) / (other.server + other.postgres);
}

function report(costs: readonly Cost[], bare: readonly Cost[]): void {
  const ratio = median(costs.map((cost, at) => ratioOf(cost, bare[at]!)));
  const lag = Math.max(...costs.map(({ lagSeconds }) => lagSeconds));
  const rate = (all: readonly Cost[]) =>
    Math.round(median(all.map(({ chargesPerSecond }) => chargesPerSecond)));
  const rss = (all: readonly Cost[]) =>
    all.map(({ rssBytes }) => Math.round(rssBytes / 2 ** 20)).join(", ");
  console.log(`\nratio: ${ratio.toFixed(3)}, the median (goal: at most ${GOALS.ratio})`);
  console.log(`largest lag: ${lag.toFixed(1)} s (goal: below ${GOALS.lagSeconds})`);
  console.log(`charges a second: ${rate(costs)} with, ${rate(bare)} without`);
  console.log(`the server's peak RSS by slice, MB: ${rss(costs)} with; ${rss(bare)} without`);
  if (ratio > GOALS.ratio || lag >= GOALS.lagSeconds) process.exitCode = 1;
}
