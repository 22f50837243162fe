import type { Measurement } from "./measure.ts";
import type { Growth, Results } from "./results.ts";

/** A goal: a lower or upper bound on a figure, and the measured value. */
export type Goal = {
  readonly what: string;
  readonly bound: "at least" | "at most";
  readonly limit: number;
  /** Undefined if it was not measured. */
  readonly seen: number | undefined;
};

/** Whether the goal is reached; undefined if unknown. */
export function isReached({ bound, limit, seen }: Goal): boolean | undefined {
  if (seen === undefined) return undefined;
  return bound === "at least" ? seen >= limit : seen <= limit;
}

/** The goals, as ratios of figures of one run. */
export function goalsOf(results: Results | undefined, growth: Growth | undefined): Goal[] {
  return [...goalsOfRows(results?.rows ?? []), ...goalsOfGrowth(growth), ramGoal(results)];
}

function goalsOfRows(rows: Results["rows"]): Goal[] {
  const medianOf = (name: string) => rows.find((row) => row.name === name)?.median;
  const speed = (name: string) => medianOf(name)?.operationsPerSecond;
  const best = (start: string) =>
    largest(
      rows
        .filter(({ name }) => name.startsWith(`${start}/`))
        .map(({ median }) => median.operationsPerSecond),
    );
  const evenly = speed("consume/evenly/256");
  const one = speed("consume/one/256");
  const many = largest([best("batch/evenly"), best("stream/evenly")]);
  return [
    {
      what: "Consume, 256 in flight, evenly : best row of the SQL function",
      ...atLeast(2.4, ratio(evenly, best("function/evenly"))),
    },
    {
      what: "the same : best row of the ORM's transactions",
      ...atLeast(15, ratio(evenly, best("orm/evenly"))),
    },
    {
      what: "the same on one account : best row of the SQL function on one account",
      ...atLeast(8, ratio(one, best("function/one"))),
    },
    { what: "Consume on one account : evenly", ...atLeast(1.2, ratio(one, evenly)) },
    {
      what: "the same with a limit for each of 1,000 members : without",
      ...atLeast(0.7, ratio(speed("consume/team/256"), one)),
    },
    {
      what: "ApplyBatch or the Apply stream, evenly : best row of the SQL function",
      ...atLeast(4.5, ratio(many, best("function/evenly"))),
    },
    {
      what: "Consume through the batching client, 256 in flight, evenly : Consume",
      ...atLeast(1.8, ratio(speed("batching/evenly/256"), evenly)),
    },
    {
      what: "Consume's p50 with 1 in flight : the SQL function's with 1 client",
      ...atMost(1.8, ratioOf("p50Ms", medianOf("consume/evenly/1"), medianOf("function/evenly/1"))),
    },
    {
      what: "Consume's p99 at 256 in flight : the ORM's transactions'",
      ...atMost(0.12, ratioOf("p99Ms", medianOf("consume/evenly/256"), medianOf("orm/evenly/256"))),
    },
    {
      what: "the server's CPU a Consume, 256 in flight, evenly : a no-op RPC's",
      ...atMost(
        2.6,
        ratioOf("serverCpuMicros", medianOf("consume/evenly/256"), medianOf("noop/evenly/256")),
      ),
    },
    {
      what: "WAL bytes a Consume, 256 in flight, evenly",
      ...atMost(750, medianOf("consume/evenly/256")?.walBytes),
    },
  ];
}

function goalsOfGrowth(growth: Growth | undefined): Goal[] {
  const ledger = growth?.ledgers.find(
    ({ accounts, entries }) => accounts === 5_000_000 && entries === 20_000_000,
  );
  const manyLots = growth?.accounts.find(({ lots }) => lots === 1_000);
  return [
    {
      what: "at 5 million accounts and 20 million entries : at 100,000 and none",
      ...atLeast(0.85, ledger?.ratio),
    },
    { what: "one account with 1,000 open lots : with 2", ...atLeast(0.7, manyLots?.ratio) },
  ];
}

/** Memory of one process; each of several needs as much. */
function ramGoal(results: Results | undefined): Goal {
  const servers = (results?.rows ?? []).filter(
    ({ engine, workers }) => engine === "points" && workers === 1,
  );
  const bytes = largest(servers.map(({ median }) => median.serverRssBytes));
  const what = "server RSS under the heaviest row, MB";
  return { what, ...atMost(350, bytes === undefined ? undefined : bytes / 2 ** 20) };
}

function atLeast(limit: number, seen: number | undefined) {
  return { bound: "at least", limit, seen } as const;
}

function atMost(limit: number, seen: number | undefined) {
  return { bound: "at most", limit, seen } as const;
}

function ratio(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}

function ratioOf(
  figure: "p50Ms" | "p99Ms" | "serverCpuMicros",
  one: Measurement | undefined,
  other: Measurement | undefined,
): number | undefined {
  return ratio(one?.[figure], other?.[figure]);
}

function largest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
