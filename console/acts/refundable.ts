import type { GetEntryResponse } from "../../gen/points/v1/points_pb.ts";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";

/** How many points of an entry are left to refund; of a REVOKE entry with what it claims. */
export function leftToRefund({ entry, refunded }: GetEntryResponse): bigint {
  if (entry === undefined) return 0n;
  const claims = entry.kind === EntryKind.REVOKE && entry.refersTo > 0n ? entry.uncovered : 0n;
  return entry.points + claims - refunded;
}
