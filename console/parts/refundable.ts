import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { GetEntryResponse } from "../../gen/points/v1/points_pb.ts";

/** How many points of an entry are left to refund; of a REVOKE entry with what it claims. */
export function leftToRefund({ entry, refunded }: GetEntryResponse): bigint {
  return entry === undefined ? 0n : refundableOf(entry) - refunded;
}

/** How many points refunds of an entry may give back in all. */
export function refundableOf({ kind, points, fromClaim, refersTo, uncovered }: Entry): bigint {
  if (kind === EntryKind.CONSUME || kind === EntryKind.SETTLE) return points;
  if (kind !== EntryKind.REVOKE || fromClaim) return 0n;
  return refersTo === 0n ? points : points + uncovered;
}
