import type { LoadKind, Spread } from "./load/job.ts";
import { BATCH_OPS } from "./load/requests.ts";
import type { Population } from "./seed.ts";

/** The system under test: Points, or one of the two baselines. */
export type Engine = "points" | "function" | "orm";

/** One line of the results: a kind of load, a spread over accounts, a number of calls in flight. */
export type Row = {
  /** `what/accounts/in flight`. */
  readonly name: string;
  readonly engine: Engine;
  readonly kind: LoadKind;
  readonly spread: Spread;
  readonly inFlight: number;
  /** The number of server processes. */
  readonly workers: number;
};

/** The distribution of calls over accounts. */
export type Accounts = "evenly" | "zipf" | "one" | "team";

const LOTS = 2;
const IN_FLIGHT = [1, 64, 256, 1_024];
const CLIENTS = [1, 8, 16, 64];

/** The accounts of all rows, made before the first: this number, a single one, and a team's. */
export function populationsOf(accounts: number): readonly Population[] {
  return [
    { prefix: "user-", accounts, lots: LOTS, consumes: 0 },
    { prefix: "solo-", accounts: 1, lots: LOTS, consumes: 0 },
    { prefix: "team-", accounts: 1, lots: LOTS, consumes: 0 },
  ];
}

/**
 * All rows, in the order in which they run. Rows that would show nothing new are left out: baselines
 * with more calls in flight than help (on one account the ORM's calls then wait for a connection
 * until they are refused), and more batches or streams where a few reach the limit.
 */
export function rowsOn(accounts: number): readonly Row[] {
  const spreads: Readonly<Record<Accounts, Spread>> = {
    evenly: { prefix: "user-", accounts, by: "evenly" },
    zipf: { prefix: "user-", accounts, by: "zipf" },
    one: { prefix: "solo-", accounts: 1, by: "evenly" },
    team: { prefix: "team-", accounts: 1, by: "evenly", members: 1_000 },
  };
  const rows = (what: What, on: Accounts, inFlight: readonly number[]) =>
    inFlight.map((count): Row => ({
      ...WHATS[what],
      name: `${what}/${on}/${count}`,
      spread: spreads[on],
      inFlight: count,
    }));
  return [
    ...rows("noop", "evenly", IN_FLIGHT),
    ...rows("function", "evenly", CLIENTS),
    ...rows("consume", "evenly", IN_FLIGHT),
    ...rows("orm", "evenly", IN_FLIGHT),
    ...rows("function", "one", CLIENTS),
    ...rows("consume", "one", IN_FLIGHT),
    ...rows("consume", "team", [256]),
    ...rows("orm", "one", [1, 64, 256]),
    ...rows("function", "zipf", [8]),
    ...rows("consume", "zipf", IN_FLIGHT),
    ...rows("orm", "zipf", [64]),
    ...rows("batch", "evenly", [1, 4]),
    ...rows("batch", "one", [4]),
    ...rows("stream", "evenly", [1_024]),
    ...rows("stream", "zipf", [1_024]),
    ...rows("stream", "one", [1_024]),
    ...rows("client", "evenly", [256]),
    ...rows("batching", "evenly", [1, 256]),
    ...rows("batching", "one", [256]),
    ...rows("mix", "evenly", [64, 256, 1_024]),
    ...rows("mix", "zipf", [256]),
    ...rows("workers-2", "evenly", [256, 1_024]),
    ...rows("workers-2", "one", [256]),
  ];
}

/** The names of the rows of --quick: the rows that the goals need, and a mix. */
export const QUICK: readonly string[] = [
  "noop/evenly/256",
  "function/evenly/1",
  "function/evenly/8",
  "consume/evenly/1",
  "consume/evenly/256",
  "orm/evenly/64",
  "orm/evenly/256",
  "function/one/1",
  "function/one/8",
  "consume/one/256",
  "consume/team/256",
  "orm/one/64",
  "batch/evenly/4",
  "stream/evenly/1024",
  "batching/evenly/256",
  "mix/evenly/256",
  "workers-2/evenly/256",
];

/**
 * The rows with these names; `what` and `what/accounts` select all rows with that prefix. Without
 * names: all rows.
 *
 * @throws an Error if a name selects no row
 */
export function rowsNamed(all: readonly Row[], names: readonly string[]): readonly Row[] {
  const isNamed = (row: Row, name: string) => `${row.name}/`.startsWith(`${name}/`);
  const unknown = names.find((name) => !all.some((row) => isNamed(row, name)));
  if (unknown !== undefined) throw new Error(`there is no row ${unknown}`);
  if (names.length === 0) return all;
  return all.filter((row) => names.some((name) => isNamed(row, name)));
}

/** The calls in flight, for people: for ApplyBatch the number of batches. */
export function inFlightOf({ kind, inFlight }: Row): string {
  const [calls, operations] = [inFlight, BATCH_OPS].map((count) => count.toLocaleString("en"));
  return kind === "batch" ? `${calls} × ${operations}` : calls!;
}

type What = keyof typeof WHATS;

const WHATS = {
  noop: { engine: "points", kind: "noop", workers: 1 },
  consume: { engine: "points", kind: "consume", workers: 1 },
  batch: { engine: "points", kind: "batch", workers: 1 },
  stream: { engine: "points", kind: "stream", workers: 1 },
  client: { engine: "points", kind: "client", workers: 1 },
  batching: { engine: "points", kind: "batching", workers: 1 },
  mix: { engine: "points", kind: "mix", workers: 1 },
  function: { engine: "function", kind: "function", workers: 0 },
  orm: { engine: "orm", kind: "consume", workers: 1 },
  "workers-2": { engine: "points", kind: "consume", workers: 2 },
} as const satisfies Readonly<Record<string, Pick<Row, "engine" | "kind" | "workers">>>;
