import { EntryKind } from "../../gen/points/v1/account_pb.ts";

/** What points came to accounts by, and were taken by, in the order in which it is shown. */
export const MOVES = ["recharged", "refunded", "consumed", "expired", "revoked"] as const;
export type Move = (typeof MOVES)[number];

/** What an entry of a kind counts as. Undefined: it moves no points to an account or from it. */
export function moveOf(kind: EntryKind): Move | undefined {
  return BY_KIND[kind];
}

/** The kinds of a move's entries. */
export function kindsOf(move: Move): EntryKind[] {
  return KINDS.filter((kind) => BY_KIND[kind] === move);
}

/** Whether it adds to what users have. */
export function isAddition(move: Move): boolean {
  return move === "recharged" || move === "refunded";
}

// Each kind is named, so that a new one fails here until somebody says what it counts as.
const BY_KIND: Readonly<Record<EntryKind, Move | undefined>> = {
  [EntryKind.UNSPECIFIED]: undefined,
  [EntryKind.RECHARGE]: "recharged",
  [EntryKind.REFUND]: "refunded",
  [EntryKind.CONSUME]: "consumed",
  [EntryKind.SETTLE]: "consumed",
  [EntryKind.EXPIRE]: "expired",
  [EntryKind.REVOKE]: "revoked",
  // Points on hold are the user's until they are settled.
  [EntryKind.FREEZE]: undefined,
  [EntryKind.EXTEND]: undefined,
  [EntryKind.RELEASE]: undefined,
  [EntryKind.SET_POLICY]: undefined,
  [EntryKind.ERASE]: undefined,
};

const KINDS = Object.keys(BY_KIND).map(Number) as EntryKind[];
