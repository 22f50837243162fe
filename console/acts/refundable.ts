import type { GetEntryResponse } from "../../gen/points/v1/points_pb.ts";
import { refundableOf } from "../entry/fate.ts";

/** How many points of an entry are left to refund; of a REVOKE entry with what it claims. */
export function leftToRefund({ entry, refunded }: GetEntryResponse): bigint {
  return entry === undefined ? 0n : refundableOf(entry) - refunded;
}
