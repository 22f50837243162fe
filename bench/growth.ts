import { spawnSync } from "node:child_process";
import { statfs } from "node:fs/promises";
import type { Cluster, Database } from "./cluster.ts";
import type { Measurement } from "./measure.ts";
import { median, medianOf } from "./results.ts";
import type { Row } from "./rows.ts";
import { type Place, runRow } from "./run.ts";
import { type Population, seed } from "./seed.ts";
import { type Server, startPoints } from "./servers.ts";

/** How large a ledger is. */
export type Size = {
  readonly accounts: number;
  /** Consumes of each account, beside its two recharges. */
  readonly consumes: number;
};

/** How fast a ledger of some size is, beside a small one. */
export type Stage = Size & {
  /** All entries of the ledger, before the load's own. */
  readonly entries: number;
  readonly seededPerSecond: number;
  /** Bytes of all tables and indexes: of an entry, and of an account with its two lots. */
  readonly bytesPerEntry: number;
  readonly bytesPerAccount: number;
  readonly median: Measurement;
  /** The small ledger, whose repeats ran in turn with those of this one. */
  readonly small: Measurement;
  /** Operations a second, of the one to the other: the median of the repeats' ratios. */
  readonly ratio: number;
  /** Right after a checkpoint, when the first change of each page is logged with the whole page. */
  readonly afterCheckpoint: Measurement;
};

export type GrowthOptions = {
  readonly cluster: Cluster;
  readonly environment: Readonly<Record<string, string>>;
  readonly sizes: readonly Size[];
  readonly repeats: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly onProgress: (what: string) => void;
  readonly onWrong: (name: string, wrong: readonly string[]) => void;
};

/** The sizes of a full run, in which there are 1 and 20 million entries beside the recharges. */
export const SIZES: readonly Size[] = [
  { accounts: 10_000, consumes: 0 },
  { accounts: 1_000_000, consumes: 0 },
  { accounts: 1_000_000, consumes: 1 },
  { accounts: 5_000_000, consumes: 4 },
];

const SMALL: Size = { accounts: 100_000, consumes: 0 };
const LOTS = 2;
const IN_FLIGHT = 256;
/** On disk, with the WAL, which no checkpoint shortens meanwhile. */
const BYTES_PER_ENTRY = 1_600;

/** Measures unary Consume on ledgers of growing size, each in turn with a small one. */
export async function runGrowth(options: GrowthOptions): Promise<readonly Stage[]> {
  const { cluster, sizes, onProgress } = options;
  const small = await open(options, "growth_small", SMALL);
  const stages: Stage[] = [];
  try {
    for (const [index, size] of sizes.entries()) {
      const free = await freeBytes();
      const needed = entriesOf(size) * BYTES_PER_ENTRY;
      if (free < needed) {
        onProgress(`${nameOf(size)}: left out, for it needs ${gib(needed)} of disk`);
        continue;
      }
      const large = await open(options, `growth_${index}`, size);
      try {
        stages.push(await measureStage(options, small, large));
      } finally {
        await large.server.stop();
      }
    }
  } finally {
    await small.server.stop();
  }
  // Their time on disk is over; the cluster goes as a whole.
  void cluster;
  return stages;
}

type Ledger = {
  readonly size: Size;
  readonly database: Database;
  readonly server: Server;
  readonly seededPerSecond: number;
  readonly bytesPerEntry: number;
  readonly bytesPerAccount: number;
};

async function open(options: GrowthOptions, name: string, size: Size): Promise<Ledger> {
  const { cluster, environment, onProgress } = options;
  const database = await cluster.createDatabase(name);
  const population: Population = { prefix: "user-", lots: LOTS, ...size };
  const seededPerSecond = await seed(database, population);
  // What the system still has to write would slow down the first repeat.
  spawnSync("sync");
  const [weight] = await database.query<{ entry: string; account: string }>(`
    select pg_total_relation_size('points.entry') as entry,
      pg_total_relation_size('points.account') + pg_total_relation_size('points.lot') as account`);
  onProgress(`${nameOf(size)}: made, ${Math.round(seededPerSecond)} entries a second`);
  return {
    size,
    database,
    server: await startPoints(database.url, environment),
    seededPerSecond,
    bytesPerEntry: Number(weight!.entry) / entriesOf(size),
    bytesPerAccount: Number(weight!.account) / size.accounts,
  };
}

async function measureStage(
  options: GrowthOptions,
  small: Ledger,
  large: Ledger,
): Promise<Stage> {
  const ofLarge: Measurement[] = [];
  const ofSmall: Measurement[] = [];
  for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
    ofLarge.push(await measure(options, large));
    ofSmall.push(await measure(options, small));
  }
  await large.database.query("checkpoint");
  const afterCheckpoint = await measure(options, large);
  const { seededPerSecond, bytesPerEntry, bytesPerAccount } = large;
  return {
    ...large.size,
    entries: entriesOf(large.size),
    seededPerSecond,
    bytesPerEntry,
    bytesPerAccount,
    median: medianOf(ofLarge),
    small: medianOf(ofSmall),
    ratio: median(
      ofLarge.map((one, index) => one.operationsPerSecond / ofSmall[index]!.operationsPerSecond),
    ),
    afterCheckpoint,
  };
}

async function measure(options: GrowthOptions, ledger: Ledger): Promise<Measurement> {
  const { cluster, warmSeconds, seconds, onProgress, onWrong } = options;
  const { size, database, server } = ledger;
  const { accounts } = size;
  const row: Row = {
    name: nameOf(size),
    engine: "points",
    kind: "consume",
    spread: { prefix: "user-", accounts, by: "evenly" },
    inFlight: IN_FLIGHT,
  };
  const serverFor = () => Promise.resolve(server);
  const place: Place = { cluster, database, serverFor, connections: 1, warmSeconds, seconds };
  const { measured, wrong } = await runRow(place, row);
  onProgress(`${row.name}: ${Math.round(measured.operationsPerSecond)} operations a second`);
  if (wrong.length > 0) onWrong(row.name, wrong);
  return measured;
}

function entriesOf({ accounts, consumes }: Size): number {
  return accounts * (LOTS + consumes);
}

function nameOf(size: Size): string {
  const { accounts, consumes } = size;
  return `growth/${accounts} accounts/${entriesOf(size)} entries${consumes > 0 ? "" : ", new"}`;
}

async function freeBytes(): Promise<number> {
  const { bavail, bsize } = await statfs(import.meta.dirname);
  return bavail * bsize;
}

function gib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 30)} GiB`;
}
