import type { Entry } from "../../gen/points/v1/account_pb.ts";

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
  const place = (entry: Entry, level: number) => {
    rows.push({ entry, level });
    for (const child of beneath.get(entry.sequence) ?? []) place(child, level + 1);
  };
  for (const entry of entries) if (!known.has(entry.refersTo)) place(entry, 0);
  return rows;
}

/** The same entries by their numbers alone. */
export function inOrder(entries: readonly Entry[]): readonly StatementRow[] {
  return entries.map((entry) => ({ entry, level: 0 }));
}
