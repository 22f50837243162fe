import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { promisify } from "node:util";
import { openOrm } from "../src/store/driver/orm.ts";
import { verify } from "../src/verify/verify.ts";
import type { Database } from "./cluster.ts";
import {
  type Comparison,
  compare,
  measureSide,
  type Measuring,
  type Side,
  WARM_UP_LOADS,
} from "./compare.ts";
import type { GrowthPlan } from "./growth-plan.ts";
import type { Spread } from "./load/job.ts";
import { nameOf } from "./load/requests.ts";
import type { Measurement } from "./measure.ts";
import { type Population, seed } from "./seed.ts";
import { type Environment, startPoints } from "./servers.ts";
import { type Weight, weigh } from "./weight.ts";

/** A ledger of some size, beside one that is small and new. */
export type LedgerStage = Comparison & {
  readonly accounts: number;
  /** Consumes of all accounts together, beside the two recharges of each. */
  readonly entries: number;
  readonly seededPerSecond: number;
  readonly weight: Weight;
  /** Right after a checkpoint, when the first change of a page is logged with the whole page. */
  readonly afterCheckpoint: Measurement;
};

/** An account of some age or with many lots, beside one that is new and has two. */
export type AccountStage = Comparison & { readonly entries: number; readonly lots: number };

export type GrowthOptions = Measuring & {
  readonly environment: Environment;
  /** No stage begins that would end later. */
  readonly minutes: number;
};

/** What was measured so far. */
export type GrowthResults = {
  readonly accounts: readonly AccountStage[];
  readonly ledgers: readonly LedgerStage[];
  /** Which stages were left out, and why. */
  readonly leftOut: readonly string[];
};

const LOTS = 2;
const EVENLY = { prefix: "user-", by: "evenly" } as const;
const ONE = { accounts: 1, by: "evenly" } as const;
const NEW_ACCOUNT: Spread = { prefix: "solo-", ...ONE };
const SAMPLE_ACCOUNTS = 20;
/** On disk, with the WAL, which no checkpoint shortens meanwhile. */
const BYTES_PER_ENTRY = 1_600;
const SEEDED_PER_SECOND = 80_000;
const CHECKS_SECONDS = 3;

/**
 * Measures unary Consume on accounts and ledgers of growing size, made in bulk. Disk or time that
 * do not suffice are found out beforehand, and the stage is left out.
 *
 * @param onStage called after each stage, with all so far
 */
export async function runGrowth(
  options: GrowthOptions,
  plan: GrowthPlan,
  onStage: (results: GrowthResults) => Promise<void>,
): Promise<void> {
  const { cluster, environment, minutes } = options;
  const endsAt = performance.now() + minutes * 60_000;
  const accounts: AccountStage[] = [];
  const ledgers: LedgerStage[] = [];
  const leftOut: string[] = [];
  const database = await cluster.createDatabase("growth_small");
  await seed(database, { ...EVENLY, accounts: plan.small, lots: LOTS, consumes: 0 });
  await seed(database, { ...NEW_ACCOUNT, lots: LOTS, consumes: 0 });
  const server = await startPoints(database.url, environment);
  const side = (name: string, spread: Spread): Side => ({ name, database, server, spread });

  const newAccount = side("a new account", NEW_ACCOUNT);
  for (const [index, { entries, lots }] of plan.accounts.entries()) {
    const spread: Spread = { prefix: `one${index}-`, ...ONE };
    await seed(database, { ...spread, lots, consumes: entries - lots });
    const large = side(`an account with ${lots} lots and ${entries} entries`, spread);
    accounts.push({ entries, lots, ...(await compareSound(options, large, newAccount)) });
    await onStage({ accounts, ledgers, leftOut });
  }

  const small = side("a small ledger", { ...EVENLY, accounts: plan.small });
  for (const ledger of plan.ledgers) {
    for await (const stage of growLedger(options, ledger, small, endsAt)) {
      if (typeof stage === "string") leftOut.push(stage);
      else ledgers.push(stage);
      await onStage({ accounts, ledgers, leftOut });
    }
  }
  await server.stop();
}

/** Makes a ledger, and lets it grow: gives a stage for each size, or why there is none. */
async function* growLedger(
  options: GrowthOptions,
  { accounts, entries }: GrowthPlan["ledgers"][number],
  small: Side,
  endsAt: number,
): AsyncGenerator<LedgerStage | string> {
  const { cluster, onProgress } = options;
  const database = await cluster.createDatabase(`growth_${accounts}`);
  let made: number | undefined;
  let rate = SEEDED_PER_SECOND;
  for (const size of entries) {
    const lots = made === undefined ? LOTS : 0;
    const population = { ...EVENLY, accounts, lots, consumes: size - (made ?? 0) };
    const name = `${accounts} accounts with ${size} entries`;
    const lack = await lackOf(options, population, rate, endsAt);
    if (lack !== undefined) {
      yield `${name}: ${lack}`;
      continue;
    }
    // What follows is logged without whole pages, so that a stage does not depend on its moment.
    await database.query("checkpoint");
    rate = await seed(database, population);
    made = size;
    onProgress(`${name}: made, ${rate.toFixed(0)} entries a second`);
    const stage = await measureLedger(options, name, database, accounts, small);
    yield { accounts, entries: size, seededPerSecond: rate, ...stage };
  }
  await database.drop();
}

/** Measures a ledger as it is now. */
async function measureLedger(
  options: GrowthOptions,
  name: string,
  database: Database,
  accounts: number,
  small: Side,
): Promise<Omit<LedgerStage, "accounts" | "entries" | "seededPerSecond">> {
  const weight = await weigh(database);
  // What the system still has to write would slow down the first repeat.
  await promisify(execFile)("sync");
  const server = await startPoints(database.url, options.environment);
  const large: Side = { name, database, server, spread: { ...EVENLY, accounts } };
  const comparison = await compareSound(options, large, small);
  await database.query("checkpoint");
  const after = await measureSide(options, large, "after a checkpoint");
  await server.stop();
  const wrong = [...comparison.wrong, ...after.wrong];
  return { ...comparison, wrong, weight, afterCheckpoint: after.measured };
}

/** Compares, and then verifies a sample of the large side: what was seeded, and what followed. */
async function compareSound(how: Measuring, large: Side, small: Side): Promise<Comparison> {
  const comparison = await compare(how, large, small);
  const { accounts } = large.spread;
  const sample = Math.min(accounts, SAMPLE_ACCOUNTS);
  const userIds = Array.from({ length: sample }, (_, index) =>
    nameOf(large.spread, 1 + Math.floor((index * accounts) / sample)),
  );
  const orm = await openOrm(large.database.url, 2);
  const { entries, wrong } = await verify(orm, { userIds });
  await orm.close();
  how.onProgress(`${large.name}: verified ${entries} entries of ${sample} accounts`);
  const flaws = wrong.map(({ userId, sequence, what }) => `${userId}, entry ${sequence}: ${what}`);
  for (const flaw of flaws) how.onProgress(flaw);
  return { ...comparison, wrong: [...comparison.wrong, ...flaws] };
}

/** What is lacking for a stage; undefined if nothing is. */
async function lackOf(
  { cluster, repeats, timing }: GrowthOptions,
  { accounts, lots, consumes }: Population,
  entriesPerSecond: number,
  endsAt: number,
): Promise<string | undefined> {
  const entries = accounts * lots + consumes;
  const { bavail, bsize } = await statfs(cluster.folder);
  const needed = entries * BYTES_PER_ENTRY;
  if (bavail * bsize < needed) return `it needs ${Math.ceil(needed / 2 ** 30)} GiB of disk`;

  const loads = 2 * repeats + 2 + WARM_UP_LOADS;
  const seconds =
    entries / entriesPerSecond + loads * (timing.warmSeconds + timing.seconds + CHECKS_SECONDS);
  if (performance.now() + 1000 * seconds > endsAt) {
    return `it needs ${Math.ceil(seconds / 60)} minutes, more than are left`;
  }
  return undefined;
}
