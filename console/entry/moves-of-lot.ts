import type { Entry } from "../../gen/points/v1/account_pb.ts";

/** An entry that took points of a lot or gave it some back, and how many. */
export type MoveOfLot = { readonly entry: Entry; readonly points: bigint };

export function movesOfLot(entries: readonly Entry[], lot: bigint): MoveOfLot[] {
  return entries
    .filter(({ sequence }) => sequence !== lot)
    .map((entry) => {
      const own = entry.allocations.filter((allocation) => allocation.lot === lot);
      return { entry, points: own.reduce((sum, { points }) => sum + points, 0n) };
    })
    .filter(({ points }) => points > 0n);
}
