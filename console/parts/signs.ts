import { EntryKind } from "../../gen/points/v1/account_pb.ts";

/** What an entry's points do to the balance: 1 adds, -1 takes, 0 neither. */
export function signOf(kind: EntryKind): 1n | 0n | -1n {
  switch (kind) {
    case EntryKind.RECHARGE:
    case EntryKind.RELEASE:
    case EntryKind.REFUND:
      return 1n;
    case EntryKind.CONSUME:
    case EntryKind.EXPIRE:
    case EntryKind.FREEZE:
    case EntryKind.EXTEND:
    case EntryKind.REVOKE:
      return -1n;
    // A settlement spends frozen points, which the balance no longer has.
    default:
      return 0n;
  }
}
