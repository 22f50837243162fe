import { isAddition, type Move } from "../parts/moves.ts";

/**
 * Why the totals of a move and its sums differ. Only an allowance's points lapse without an entry.
 *
 * @param points what the totals have more, with the move's sign, or if it is the other, the sums
 */
export function whyUnnamed(name: Move, points: bigint): "lacking" | "lapsed" | "ahead" {
  if (points > 0n === isAddition(name)) return "lacking";
  return name === "recharged" || name === "expired" ? "lapsed" : "ahead";
}
