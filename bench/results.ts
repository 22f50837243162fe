import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stage } from "./growth.ts";
import type { Machine } from "./machine.ts";
import type { Measurement } from "./measure.ts";
import type { Row } from "./rows.ts";

/** All that is known, as `results.json` has it. The rows and the growth may be of two runs. */
export type Results = {
  readonly rows?: Part & { readonly results: readonly RowResult[] };
  readonly growth?: Part & { readonly stages: readonly Stage[] };
};

/** Of which run something is. */
export type Part = {
  readonly machine: Machine;
  readonly repeats: number;
  readonly warmSeconds: number;
  readonly seconds: number;
};

/** A row: what each repeat came to, and the median of each figure. */
export type RowResult = Row & {
  readonly median: Measurement;
  readonly repeats: readonly Measurement[];
};

/** The median of each figure by itself; the most, of the memory. */
export function medianOf(repeats: readonly Measurement[]): Measurement {
  const [first] = repeats;
  if (first === undefined) throw new Error("no repeats");
  const keys = Object.keys(first) as (keyof Measurement)[];
  return Object.fromEntries(
    keys.map((key) => {
      const known = repeats.map((one) => one[key]).filter((one) => one !== undefined);
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

/** What was saved under this name before, or nothing. */
export async function readResults(folder: string, name: string): Promise<Results> {
  const text = await readFile(join(folder, `${name}.json`), "utf8").catch(() => "{}");
  return JSON.parse(text) as Results;
}

/** Saves files by name, and gives their paths. */
export async function saveFiles(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  const paths = Object.keys(files).map((name) => join(folder, name));
  await Promise.all(Object.values(files).map((text, index) => writeFile(paths[index]!, text)));
  return paths;
}
