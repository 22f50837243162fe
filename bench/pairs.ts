import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Cluster, startCluster } from "./cluster.ts";
import { lookAtMachine } from "./machine.ts";
import { median } from "./results.ts";
import { populationsOf, type Row, rowsNamed, rowsOn } from "./rows.ts";
import { type Place, runRow } from "./run.ts";
import type { seed } from "./seed.ts";
import { startPoints, stopServers } from "./servers.ts";
import { aboutText } from "./report/about.ts";

// A/B benchmark against another checkout: `npm run bench:pairs -- --against FOLDER`. Throughput on a
// shared machine is too noisy for a few per cent, so it compares the CPU time an operation, of server
// and PostgreSQL, in interleaved pairs, each side first in turn.

const HELP = `npm run bench:pairs -- --against FOLDER [OPTION…]

  --against FOLDER   another checkout, with its node_modules
  --rows a,b         names of rows, or how they begin; consume/evenly/256
  --pairs N          how many pairs; 7
  --seconds N        how long each half takes; 4
  --accounts N       how many accounts the rows have; 100000`;

const { values } = parseArgs({
  options: {
    against: { type: "string" },
    rows: { type: "string", default: "consume/evenly/256" },
    pairs: { type: "string", default: "7" },
    seconds: { type: "string", default: "4" },
    accounts: { type: "string", default: "100000" },
    help: { type: "boolean", default: false },
  },
});
if (values.help || values.against === undefined) {
  console.log(HELP);
  process.exit(values.help ? 0 : 2);
}
const accounts = Number(values.accounts);
const timing = { warmSeconds: 1, seconds: Number(values.seconds) };
const rows = rowsNamed(rowsOn(accounts), values.rows.split(","));

const cluster = await startCluster();
try {
  const machine = await lookAtMachine(cluster);
  console.log(aboutText({ machine, timing, environment: {} }));
  const here = await placeOf(cluster, "here", resolve(import.meta.dirname, ".."));
  const there = await placeOf(cluster, "there", resolve(values.against));
  for (const row of rows) await compare(row, here, there);
} finally {
  await stopServers();
  await cluster.remove();
}

async function placeOf(on: Cluster, name: string, folder: string): Promise<Place> {
  const database = await on.createEmpty(name);
  const server = await startPoints(database.url, {}, folder);
  // The other checkout's own seed fits its own tables.
  const own = (await import(join(folder, "bench", "seed.ts"))) as { seed: typeof seed };
  for (const population of populationsOf(accounts)) await own.seed(database, population);
  return { cluster: on, database, serverFor: () => Promise.resolve(server), timing };
}

async function compare(row: Row, here: Place, there: Place): Promise<void> {
  const ratios = { server: [] as number[], postgres: [] as number[], both: [] as number[] };
  console.log(`\n${row.name}: CPU µs an operation, here and there, and their ratio`);
  for (let pair = 0; pair < Number(values.pairs); pair += 1) {
    const isFirst = pair % 2 === 0;
    const first = await costOf(isFirst ? here : there, row);
    const second = await costOf(isFirst ? there : here, row);
    const [mine, other] = isFirst ? [first, second] : [second, first];
    ratios.server.push(mine.server / other.server);
    ratios.postgres.push(mine.postgres / other.postgres);
    ratios.both.push((mine.server + mine.postgres) / (other.server + other.postgres));
    const text = (one: Cost) => `${one.server.toFixed(1)} + ${one.postgres.toFixed(1)}`;
    console.log(`  ${text(mine)}   ${text(other)}   ${ratios.both.at(-1)!.toFixed(3)}`);
  }
  const [server, postgres, both] = [ratios.server, ratios.postgres, ratios.both].map((all) =>
    median(all).toFixed(3),
  );
  console.log(`  medians: server ${server}, PostgreSQL ${postgres}, both ${both}`);
}

type Cost = { readonly server: number; readonly postgres: number };

async function costOf(place: Place, row: Row): Promise<Cost> {
  const { measured, wrong } = await runRow(place, row);
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  const { serverCpuMicros: server, postgresCpuMicros: postgres } = measured;
  if (server === undefined || postgres === undefined) throw new Error("this machine tells no CPU");
  return { server, postgres };
}
