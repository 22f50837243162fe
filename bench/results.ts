import type { GrowthResults } from "./growth.ts";
import type { Machine } from "./machine.ts";
import type { Measurement } from "./measure.ts";
import type { Row } from "./rows.ts";
import type { Timing } from "./run.ts";

/** Of which run something is. */
export type About = {
  readonly machine: Machine;
  readonly timing: Timing;
  /** What Points was told beside its defaults. */
  readonly environment: Readonly<Record<string, string>>;
};

/** The rows, as `results.json` has them. */
export type Results = About & {
  readonly accounts: number;
  readonly rows: readonly RowResult[];
};

/** What ledgers of growing size came to, as `growth.json` has it. */
export type Growth = About &
  GrowthResults & {
    readonly repeats: number;
    /** How many accounts the ledger has that the others were compared with. */
    readonly small: number;
  };

/** A row: what each repeat came to, and the median of each figure. */
export type RowResult = Row & {
  readonly median: Measurement;
  readonly repeats: readonly Measurement[];
  /** How many answers told of an entry, in all repeats. */
  readonly entries: number;
  /** What the checks after the repeats found: nothing, if all is well. */
  readonly wrong: readonly string[];
};

/** The median of each figure by itself; the most, of the memory. */
export function medianOf(repeats: readonly Measurement[]): Measurement {
  const [first] = repeats;
  if (first === undefined) throw new Error("no repeats");
  const keys = Object.keys(first) as (keyof Measurement)[];
  return Object.fromEntries(
    keys.map((key) => {
      const known = repeats.map((one) => one[key]).filter((one) => typeof one === "number");
      if (known.length === 0) return [key, undefined];
      return [key, key === "serverRssBytes" ? Math.max(...known) : median(known)];
    }),
  ) as Measurement;
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
