import { EntryKind } from "../../gen/points/v1/account_pb.ts";

type Sign = 1n | 0n | -1n;

/** What an entry's points do to the balance: 1 adds, -1 takes, 0 neither. */
export function signOf(kind: EntryKind): Sign {
  return SIGNS[kind] ?? 0n;
}

// Each kind is named, so that a new one fails here until somebody says what it does.
const SIGNS: Readonly<Record<EntryKind, Sign>> = {
  [EntryKind.UNSPECIFIED]: 0n,
  [EntryKind.RECHARGE]: 1n,
  [EntryKind.CONSUME]: -1n,
  [EntryKind.EXPIRE]: -1n,
  [EntryKind.FREEZE]: -1n,
  [EntryKind.EXTEND]: -1n,
  // A settlement spends frozen points, which the balance no longer has.
  [EntryKind.SETTLE]: 0n,
  [EntryKind.RELEASE]: 1n,
  [EntryKind.REFUND]: 1n,
  [EntryKind.REVOKE]: -1n,
  [EntryKind.SET_POLICY]: 0n,
  [EntryKind.ERASE]: 0n,
};
