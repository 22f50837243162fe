import { refused, type Refused } from "./refused.ts";
import type { Replayed } from "./replay.ts";

// The limits of an account, and the refusals beyond them.

/** The most points of one operation. */
export const MAX_POINTS = 1_000_000_000_000n;

const MAX_TOTAL = 9_007_199_254_740_991n;
const OPEN_LOTS_MAX = 4_096;
const OPEN_HOLDS_MAX = 16_384;
// The end of the year 9999.
const LAST_INSTANT = 253_402_300_799_999_999n;

/** The refusal if these points make a total too large; it names the total. */
export function tooLarge(
  { totalRecharged, totalRefunded }: Replayed,
  total: "total_recharged" | "total_refunded",
  points: bigint,
): Refused | undefined {
  if (totalRecharged + totalRefunded + points <= MAX_TOTAL) return undefined;
  return refused("TOTAL_TOO_LARGE", { total, limit: MAX_TOTAL });
}

/** The refusal if the account may not have this many more open lots. */
export function lotsFull({ openLots }: Replayed, more: number): Refused | undefined {
  if (openLots.size + more <= OPEN_LOTS_MAX) return undefined;
  return refused("ACCOUNT_FULL", { full: "lots", limit: OPEN_LOTS_MAX });
}

/** The refusal if the account may not have another open hold. */
export function holdsFull({ openHolds }: Replayed): Refused | undefined {
  if (openHolds.size < OPEN_HOLDS_MAX) return undefined;
  return refused("ACCOUNT_FULL", { full: "holds", limit: OPEN_HOLDS_MAX });
}

/** Whether an expiry is valid: after now, and before the year 10000. */
export function endsWell(expireTime: bigint | undefined, now: bigint): boolean {
  return expireTime === undefined || (expireTime > now && expireTime <= LAST_INSTANT);
}
