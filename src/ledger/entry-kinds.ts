import type { EntryKind } from "./entry.ts";

/** The kinds of entries as the table has them: the numbers of the contract's EntryKind. */
export const KIND_NUMBERS = {
  recharge: 1,
  consume: 2,
  expire: 3,
  freeze: 4,
  settle: 5,
  release: 6,
  refund: 7,
  revoke: 8,
  extend: 9,
  setPolicy: 10,
  erase: 11,
} as const satisfies Record<EntryKind, number>;

const KINDS = new Map<number, EntryKind>(
  Object.entries(KIND_NUMBERS).map(([kind, number]) => [number, kind as EntryKind]),
);

/**
 * The kind that a number stands for.
 *
 * @throws if there is none
 */
export function kindOf(number: number): EntryKind {
  const kind = KINDS.get(number);
  if (kind === undefined) throw new Error(`no kind of entry has the number ${number}`);
  return kind;
}
