import type { Entry } from "../ledger/entry.ts";
import { type Hold, HOLD_MAX } from "../ledger/hold.ts";
import type { Micros } from "../ledger/time.ts";
import { sameAllocations } from "./allocations.ts";
import type { BookedHold } from "./books.ts";

type Booked = BookedHold<Micros | null>;

/**
 * Checks when an entry extends, settles or releases a hold. From the hold's time on, only the ledger
 * itself closes it: by a release at that very instant.
 *
 * @param hold what the entries before leave in it
 * @param row its row, with the time of its FREEZE
 */
export function flawOfHoldTime(hold: Booked, row: Hold, entry: Entry): string | undefined {
  const { kind, refersTo, time, request, metadata } = entry;
  if (kind === "extend") {
    const { expireTime } = entry;
    if (expireTime! < hold.expireTime) return `makes hold ${refersTo} end sooner`;
    // A hold that is not given more time keeps its own.
    const isLonger = expireTime! > hold.expireTime;
    if (isLonger && expireTime! - row.freezeTime! > HOLD_MAX) {
      return `makes hold ${refersTo} live longer than it may`;
    }
  }
  if (hold.expireTime > time) return undefined;
  if (kind !== "release") return `${kind}s hold ${refersTo} past its time`;
  if (request !== undefined || metadata.size > 0) {
    return `is a caller's release of hold ${refersTo} past its time`;
  }
  if (hold.expireTime === time) return undefined;
  return `releases hold ${refersTo} at another instant than its time`;
}

/** Compares what an extend says of the hold after it, which its hash does not cover, with the books. */
export function flawOfHoldAfter(hold: Booked, { holdAfter }: Entry): string | undefined {
  if (holdAfter === null) return "does not say what it left in its hold";
  const { points, settled, service, allocations } = holdAfter;
  const isSame =
    points === hold.points + hold.settled &&
    settled === hold.settled &&
    (service ?? undefined) === hold.service &&
    sameAllocations(allocations, hold.allocations);
  return isSame ? undefined : "says that it left other points in its hold";
}

/** Compares an open hold's row with what all entries leave in it. */
export function flawOfOpenHold(hold: Booked, row: Hold): string | undefined {
  if (row.status !== "open") return `its hold is ${row.status}, and no entry closed it`;
  return flawOfHoldRow(hold, row, hold.settled);
}

/** Compares a closed hold's row with the entry that closed it, and what the entries before left in it. */
export function flawOfClosedHold(hold: Booked, row: Hold, entry: Entry): string | undefined {
  const { kind, sequence, points, owed, fromBalance, time } = entry;
  const unspent = hold.expireTime <= time ? "expired" : "released";
  const status = kind === "settle" ? "settled" : unspent;
  const settled = hold.settled + (kind === "settle" ? points - owed - fromBalance : 0n);
  if (row.status === status && row.settled === settled) return flawOfHoldRow(hold, row, settled);
  return (
    `its hold is ${row.status} with ${row.settled} settled, ` +
    `entry ${sequence} made it ${status} with ${settled}`
  );
}

function flawOfHoldRow(hold: Booked, row: Hold, settled: bigint): string | undefined {
  const points = hold.points + hold.settled;
  if (row.settled !== settled) return `its hold has ${row.settled} settled, not ${settled}`;
  if (row.points !== points) return `its hold has ${row.points} points, not ${points}`;
  if (row.expireTime !== hold.expireTime) return "its hold has another expiry";
  if (!sameAllocations(row.allocations, hold.allocations))
    return "its hold has points of other lots";
}
