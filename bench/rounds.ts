import { medianOf, type RowResult } from "./results.ts";
import type { Row } from "./rows.ts";
import { type Place, type Repeat, runRow } from "./run.ts";

/** The number of rounds of all rows, and the repeats measured before. */
export type Plan = {
  readonly rows: readonly Row[];
  readonly rounds: number;
  readonly before: readonly RowResult[];
};

/**
 * Runs rows interleaved, A B A B, so that a slow phase of the machine slows all of them. Repeats that
 * were measured before are skipped.
 *
 * @param onRepeat called after each repeat with all results so far, in the order of the rows
 */
export async function runRounds(
  place: Place,
  { rows, rounds, before }: Plan,
  onRepeat: (row: Row, repeat: Repeat, results: readonly RowResult[]) => Promise<void>,
): Promise<readonly RowResult[]> {
  const results = new Map(before.map((result) => [result.name, result]));
  const inOrder = () => rows.flatMap(({ name }) => results.get(name) ?? []);
  for (let round = 1; round <= rounds; round += 1) {
    for (const row of rows) {
      const soFar = results.get(row.name);
      if ((soFar?.repeats.length ?? 0) >= round) continue;
      const repeat = await runRow(place, row);
      results.set(row.name, withRepeat(row, soFar, repeat));
      await onRepeat(row, repeat, inOrder());
    }
  }
  return inOrder();
}

function withRepeat(row: Row, soFar: RowResult | undefined, repeat: Repeat): RowResult {
  const repeats = [...(soFar?.repeats ?? []), repeat.measured];
  const entries = (soFar?.entries ?? 0) + repeat.entries;
  const wrong = [...(soFar?.wrong ?? []), ...repeat.wrong];
  return { ...row, median: medianOf(repeats), repeats, entries, wrong };
}
