import type { Entry } from "../../gen/points/v1/account_pb.ts";

/** Deeper ones are rare, and would leave no room in a narrow window. */
const DEEPEST = 3;

/** An entry in its place of a statement; level 1 and more stands under what it is about. */
export type StatementRow = { readonly entry: Entry; readonly level: number };

/**
 * Puts entries under those that they are about, as far as these are among them: a hold's settlements,
 * what was refunded, a lot's revocations. Each entry is there once: under its own, or else in its
 * place by number. Those under one entry go in the order in which they happened.
 *
 * @param entries each once, newest first
 */
export function arrange(entries: readonly Entry[]): readonly StatementRow[] {
  const known = new Set(entries.map(({ sequence }) => sequence));
  const beneath = new Map<bigint, Entry[]>();
  for (const entry of entries.toReversed()) {
    if (!known.has(entry.refersTo)) continue;
    const others = beneath.get(entry.refersTo);
    if (others) others.push(entry);
    else beneath.set(entry.refersTo, [entry]);
  }
  const rows: StatementRow[] = [];
  // A refund of a revocation of a refund … may be deeper than calls may be.
  const stack = entries
    .filter(({ refersTo }) => !known.has(refersTo))
    .map((entry) => ({ entry, level: 0 }))
    .toReversed();
  for (let row = stack.pop(); row !== undefined; row = stack.pop()) {
    rows.push(row);
    const { entry, level } = row;
    for (const child of beneath.get(entry.sequence)?.toReversed() ?? []) {
      stack.push({ entry: child, level: Math.min(level + 1, DEEPEST) });
    }
  }
  return rows;
}

/** The same entries by their numbers alone. */
export function inOrder(entries: readonly Entry[]): readonly StatementRow[] {
  return entries.map((entry) => ({ entry, level: 0 }));
}
