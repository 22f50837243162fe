import type { LoadKind, Spread } from "./load/job.ts";
import { BATCH_OPS } from "./load/requests.ts";
import type { Population } from "./seed.ts";

/** Who does the work: Points, or one of the two ways in which it would be done without it. */
export type Engine = "points" | "pgbench" | "orm";

/** One line of the results: a load, on some accounts, with so many calls in flight. */
export type Row = {
  /** `what/accounts/in flight`. */
  readonly name: string;
  readonly engine: Engine;
  readonly kind: LoadKind;
  readonly spread: Spread;
  readonly inFlight: number;
};

/** The accounts of the rows, which are made before the first. */
export const POPULATIONS: readonly Population[] = [
  { prefix: "user-", accounts: 100_000, lots: 2, consumes: 0 },
  { prefix: "solo-", accounts: 1, lots: 2, consumes: 0 },
  { prefix: "lots-", accounts: 1, lots: 1_000, consumes: 0 },
  { prefix: "aged-", accounts: 1, lots: 2, consumes: 999_998 },
];

const SPREADS = {
  evenly: { prefix: "user-", accounts: 100_000, by: "evenly" },
  zipf: { prefix: "user-", accounts: 100_000, by: "zipf" },
  one: { prefix: "solo-", accounts: 1, by: "evenly" },
  lots: { prefix: "lots-", accounts: 1, by: "evenly" },
  aged: { prefix: "aged-", accounts: 1, by: "evenly" },
} as const satisfies Record<string, Spread>;

type Accounts = keyof typeof SPREADS;

const IN_FLIGHT = [1, 64, 256, 1_024];
const CLIENTS = [1, 8, 16, 64];

/** All rows, in the order in which they run. */
export const ROWS: readonly Row[] = [
  ...rows("points", "noop", "evenly", IN_FLIGHT),
  ...rows("pgbench", "consume", "evenly", CLIENTS),
  ...rows("points", "consume", "evenly", IN_FLIGHT),
  ...rows("orm", "consume", "evenly", IN_FLIGHT),
  ...rows("pgbench", "consume", "one", CLIENTS),
  ...rows("points", "consume", "one", IN_FLIGHT),
  ...rows("orm", "consume", "one", IN_FLIGHT),
  ...rows("pgbench", "consume", "zipf", [8, 64]),
  ...rows("points", "consume", "zipf", IN_FLIGHT),
  ...rows("orm", "consume", "zipf", [64, 256]),
  ...rows("points", "batch", "evenly", [1, 4]),
  ...rows("points", "batch", "one", [4]),
  ...rows("points", "stream", "evenly", [1_000]),
  ...rows("points", "stream", "zipf", [1_000]),
  ...rows("points", "stream", "one", [1_000]),
  ...rows("points", "mix", "evenly", [64, 256, 1_024]),
  ...rows("points", "mix", "zipf", [256]),
  ...rows("points", "consume", "lots", [256]),
  ...rows("points", "consume", "aged", [256]),
];

/** The rows of a quick look. */
export const QUICK: ReadonlySet<string> = new Set([
  "noop/evenly/1",
  "noop/evenly/256",
  "pgbench/evenly/1",
  "pgbench/evenly/8",
  "pgbench/evenly/16",
  "consume/evenly/1",
  "consume/evenly/64",
  "consume/evenly/256",
  "consume/evenly/1024",
  "orm/evenly/64",
  "orm/evenly/256",
  "pgbench/one/1",
  "pgbench/one/8",
  "consume/one/256",
  "orm/one/64",
  "batch/evenly/4",
  "stream/evenly/1000",
  "mix/evenly/256",
  "consume/lots/256",
]);

/** The rows whose names begin with one of these, or all. */
export function rowsNamed(all: readonly Row[], names: readonly string[]): readonly Row[] {
  return names.length === 0
    ? all
    : all.filter(({ name }) => names.some((start) => `${name}/`.startsWith(`${start}/`)));
}

/** How a person reads a row: what is in flight of a batch are batches. */
export function inFlightOf({ kind, inFlight }: Row): string {
  return kind === "batch" ? `${inFlight} × ${BATCH_OPS}` : String(inFlight);
}

function rows(engine: Engine, kind: LoadKind, accounts: Accounts, inFlight: readonly number[]) {
  const what = engine === "points" ? kind : engine;
  return inFlight.map((count): Row => ({
    name: `${what}/${accounts}/${count}`,
    engine,
    kind,
    spread: SPREADS[accounts],
    inFlight: count,
  }));
}
