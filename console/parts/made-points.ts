import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";

/** How many points the lot had that an entry made: a recharge, or a refund that reissued some. 0: none. */
export function madePoints({ kind, points, sequence, allocations }: Entry): bigint {
  if (kind === EntryKind.RECHARGE) return points;
  if (kind !== EntryKind.REFUND) return 0n;
  return allocations.find(({ lot }) => lot === sequence)?.points ?? 0n;
}
