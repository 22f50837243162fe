import type { GrowthResults } from "./growth.ts";
import type { Machine } from "./machine.ts";
import type { Measurement } from "./measure.ts";
import type { Row } from "./rows.ts";
import type { Timing } from "./run.ts";

/** The run behind some results. */
export type About = {
  readonly machine: Machine;
  readonly timing: Timing;
  /** Settings of Points that differ from the defaults. */
  readonly environment: Readonly<Record<string, string>>;
};

/** The rows, as in `results.json`. */
export type Results = About & {
  readonly accounts: number;
  readonly rows: readonly RowResult[];
};

/** The results of growing ledgers, as in `growth.json`. */
export type Growth = About &
  GrowthResults & {
    readonly repeats: number;
    /** The number of accounts of the small ledger that the others were compared with. */
    readonly small: number;
  };

/** A row: the figures of each repeat, and the median of each figure. */
export type RowResult = Row & {
  readonly median: Measurement;
  readonly repeats: readonly Measurement[];
  /** The number of answers with an entry, in all repeats. */
  readonly entries: number;
  /** The errors that the checks after the repeats found; none if all is well. */
  readonly wrong: readonly string[];
};

/** The median of each figure separately, but the maximum of the memory. */
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

/** The middle value, or the mean of the two middle values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
