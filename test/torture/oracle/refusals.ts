import type { Replayed } from "./replay.ts";

// The refusals of the oracle, and the limits of an account beyond which it refuses.

/** A refusal, as ErrorInfo shows it. */
export type Refused = {
  readonly refused: string;
  /** Undefined where the contract does not fix it. */
  readonly metadata: Readonly<Record<string, string>> | undefined;
};

/** The most points of one operation. */
export const MAX_POINTS = 1_000_000_000_000n;

/** The most points that may ever come in, as debt too. */
export const MAX_TOTAL = 9_007_199_254_740_991n;
const OPEN_LOTS_MAX = 4_096;
const OPEN_HOLDS_MAX = 16_384;
/** The end of the year 9999. */
export const LAST_INSTANT = 253_402_300_799_999_999n;

/** A field is invalid. */
export const INVALID: Refused = { refused: "FIELD_INVALID", metadata: undefined };

/** A refusal with its metadata. */
export function refused(
  reason: string,
  facts: Readonly<Record<string, bigint | number | string>>,
): Refused {
  const metadata = Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, String(value)]),
  );
  return { refused: reason, metadata };
}

/** The refusal if these points make a total too large; it names the total. */
export function tooLarge(
  account: Replayed,
  total: "total_recharged" | "total_refunded",
  points: bigint,
): Refused | undefined {
  if (points <= roomOf(account)) return undefined;
  return refused("TOTAL_TOO_LARGE", { total, limit: MAX_TOTAL });
}

/** How many more points may come in, as debt too. */
export function roomOf({ totalRecharged, totalRefunded, debt }: Replayed): bigint {
  return MAX_TOTAL - totalRecharged - totalRefunded - debt;
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
