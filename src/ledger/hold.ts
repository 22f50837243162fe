import type { Allocation } from "./lot.ts";
import type { Micros } from "./time.ts";

/** The default life of a hold: 24 hours. */
export const HOLD_TTL: Micros = 86_400_000_000n;

/** The longest life of a hold: 30 days from its FREEZE. */
export const HOLD_MAX: Micros = 30n * HOLD_TTL;

/** The most open holds that an account may have. */
export const MAX_OPEN_HOLDS = 16_384;

/** The status of a hold: open, or closed in one of three ways. */
export type HoldStatus = "open" | "settled" | "released" | "expired";

/** Points set aside for a job under way. */
export type Hold = {
  /** The sequence of the freeze entry that made it: its name. */
  readonly number: bigint;
  /** The points that were set aside, by its FREEZE and since. */
  readonly points: bigint;
  /** The points of them that were spent so far. */
  readonly settled: bigint;
  readonly status: HoldStatus;
  /** The service for whose use they were set aside; null: the caller named points. */
  readonly service: string | null;
  /** The member for whom they were set aside; empty: none was said. */
  readonly member: string;
  /** From this instant on it cannot be settled. */
  readonly expireTime: Micros;
  /**
   * What it still has, each lot once, in the order in which it is spent; of a closed hold: what it
   * had when it was closed.
   */
  readonly allocations: readonly Allocation[];
  /** When its FREEZE was; known where a command may extend it. */
  readonly freezeTime?: Micros | undefined;
};

/** The points that an open hold still has. */
export function heldBy({ points, settled }: Hold): bigint {
  return points - settled;
}

/** Whether a hold can still be settled, extended or released. */
export function isOpenHold({ status }: Hold): boolean {
  return status === "open";
}

/** Whether an open hold has expired: exactly from `expireTime` on. */
export function isHoldDue(hold: Hold, now: Micros): boolean {
  return isOpenHold(hold) && hold.expireTime <= now;
}

/** The order in which due holds are released: by expiry, then by number. */
export function compareHoldsByExpiry(a: Hold, b: Hold): number {
  if (a.expireTime !== b.expireTime) return a.expireTime < b.expireTime ? -1 : 1;
  return a.number < b.number ? -1 : 1;
}
