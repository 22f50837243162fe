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

/** A ledger of some size, compared with a small new one. */
export type LedgerStage = Comparison & {
  readonly accounts: number;
  /** The Consumes of all accounts together; each account also has two recharges. */
  readonly entries: number;
  readonly seededPerSecond: number;
  readonly weight: Weight;
  /** Measured right after a checkpoint, when the first change of a page logs the whole page. */
  readonly afterCheckpoint: Measurement;
};

/** An account with many entries or lots, compared with a new one that has two lots. */
export type AccountStage = Comparison & { readonly entries: number; readonly lots: number };

export type GrowthOptions = Measuring & {
  readonly environment: Environment;
  /** The time limit: a stage that would end later does not start. */
  readonly minutes: number;
};

/** The measurements so far. */
export type GrowthResults = {
  readonly accounts: readonly AccountStage[];
  readonly ledgers: readonly LedgerStage[];
  /** The stages left out, with the reasons. */
  readonly leftOut: readonly string[];
};

const LOTS = 2;
const EVENLY = { prefix: "user-", by: "evenly" } as const;
const ONE = { accounts: 1, by: "evenly" } as const;
const NEW_ACCOUNT: Spread = { prefix: "solo-", ...ONE };
const SAMPLE_ACCOUNTS = 20;
/** An entry's size on disk, including its WAL, which no checkpoint removes meanwhile. */
const BYTES_PER_ENTRY = 1_600;
const SEEDED_PER_SECOND = 80_000;
const CHECKS_SECONDS = 3;

/**
 * Measures unary Consume on accounts and ledgers of growing size, made in bulk. A stage without
 * enough disk space or time is left out before it starts.
 *
 * @param onStage called after each stage with all results so far
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

/** Makes a growing ledger: gives a stage for each size, or the reason why it is left out. */
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
    // Later changes log no whole pages, so that the result does not depend on the time.
    await database.query("checkpoint");
    rate = await seed(database, population);
    made = size;
    onProgress(`${name}: made, ${rate.toFixed(0)} entries a second`);
    const stage = await measureLedger(options, name, database, accounts, small);
    yield { accounts, entries: size, seededPerSecond: rate, ...stage };
  }
  await database.drop();
}

/** Measures a ledger at its current size. */
async function measureLedger(
  options: GrowthOptions,
  name: string,
  database: Database,
  accounts: number,
  small: Side,
): Promise<Omit<LedgerStage, "accounts" | "entries" | "seededPerSecond">> {
  const weight = await weigh(database);
  // Unwritten pages of the system would slow down the first repeat.
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

/** Compares, then verifies a sample of the large side: seeded entries and later ones. */
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

/** The resource that is too scarce for a stage; undefined if none is. */
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
