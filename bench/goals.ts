import type { Measurement } from "./measure.ts";
import type { Results } from "./results.ts";

/** A floor or a ceiling that speed must keep, and what was seen. */
export type Goal = {
  readonly what: string;
  readonly bound: "at least" | "at most";
  readonly limit: number;
  /** Undefined if a row that it needs has not run. */
  readonly seen: number | undefined;
};

/** Whether it is reached; undefined if not known. */
export function isReached({ bound, limit, seen }: Goal): boolean | undefined {
  if (seen === undefined) return undefined;
  return bound === "at least" ? seen >= limit : seen <= limit;
}

/** The goals, as ratios of rows of one run. */
export function goalsOf({ rows, growth }: Results): readonly Goal[] {
  const all = rows?.results ?? [];
  const find = (name: string) => all.find((row) => row.name === name)?.median;
  const speed = (name: string) => find(name)?.operationsPerSecond;
  const best = (start: string) =>
    most(all.filter(({ name }) => name.startsWith(`${start}/`)).map(({ median }) => median));
  const evenly = speed("consume/evenly/256");
  const one = speed("consume/one/256");
  const rss = all.filter(({ engine }) => engine === "points").map((row) => row.median.serverRssBytes);
  const largest = growth?.stages.at(-1);

  const atLeast = (limit: number, what: string, seen: number | undefined): Goal => ({
    what,
    bound: "at least",
    limit,
    seen,
  });
  const atMost = (limit: number, what: string, seen: number | undefined): Goal => ({
    what,
    bound: "at most",
    limit,
    seen,
  });
  return [
    atLeast(
      0.6,
      "unary Consume, 256 in flight, evenly : no-op RPC of the same server",
      ratio(evenly, speed("noop/evenly/256")),
    ),
    atLeast(
      1.5,
      "the same : best row of one SQL function a transaction",
      ratio(evenly, best("pgbench/evenly")),
    ),
    atLeast(
      15,
      "the same : best row of an ORM transaction per request",
      ratio(evenly, best("orm/evenly")),
    ),
    atLeast(
      7,
      "the same on one account : best row of the SQL function on one account",
      ratio(one, best("pgbench/one")),
    ),
    atLeast(1.2, "unary Consume on one account : evenly", ratio(one, evenly)),
    atLeast(
      3,
      "ApplyBatch or the Apply stream, evenly : best row of the SQL function",
      ratio(largestOf([best("batch/evenly"), best("stream/evenly")]), best("pgbench/evenly")),
    ),
    atMost(
      3,
      "unary Consume p50 with 1 in flight : the SQL function's p50 with 1 client",
      ratio(find("consume/evenly/1")?.p50Ms, find("pgbench/evenly/1")?.p50Ms),
    ),
    atMost(
      0.2,
      "p99 at 256 in flight : ORM transaction per request",
      ratio(find("consume/evenly/256")?.p99Ms, find("orm/evenly/256")?.p99Ms),
    ),
    atLeast(0.8, "at 5 million accounts and 20 million entries : at 100,000 and none", largest?.ratio),
    atLeast(0.7, "one account with 1,000 open lots : with 2", ratio(speed("consume/lots/256"), one)),
    atMost(256, "server RSS under the heaviest row, MB", megabytes(largestOf(rss))),
  ];
}

/** How many times the one is the other; undefined if one is not known. */
export function ratio(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}

function most(measurements: readonly Measurement[]): number | undefined {
  return largestOf(measurements.map(({ operationsPerSecond }) => operationsPerSecond));
}

function largestOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function megabytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 2 ** 20;
}
