import type { Allocation } from "./lot.ts";
import type { Micros } from "./time.ts";

/** How a hold stands: open, or closed in one of three ways. */
export type HoldStatus = "open" | "settled" | "released" | "expired";

/** Points set aside for a job under way. */
export type Hold = {
  /** The sequence of the freeze entry that made it: its name. */
  readonly number: bigint;
  /** How many were set aside. */
  readonly points: bigint;
  /** How many of them were spent when it was settled; 0 until then. */
  readonly settled: bigint;
  readonly status: HoldStatus;
  /** From this instant on it cannot be settled. */
  readonly expireTime: Micros;
  /** From which lots, in the order in which they are spent. */
  readonly allocations: readonly Allocation[];
};

/** Whether an open hold's time has come: exactly from `expireTime` on. */
export function isHoldDue(hold: Hold, now: Micros): boolean {
  return hold.status === "open" && hold.expireTime <= now;
}

/** In the order in which holds that are due are released: the earliest first. */
export function compareHoldsByExpiry(a: Hold, b: Hold): number {
  if (a.expireTime !== b.expireTime) return a.expireTime < b.expireTime ? -1 : 1;
  return a.number < b.number ? -1 : 1;
}
