import { hasRoom, MAX_TOTAL } from "./account.ts";
import type { AccountState } from "./state.ts";
import type { Refund } from "./command.ts";
import type { Entry } from "./entry.ts";
import { type Applied, append } from "./journal.ts";
import {
  type Allocation,
  giveBack,
  isDue,
  type Lot,
  moveAllocated,
  splitAllocations,
  sumPoints,
  withLot,
} from "./lot.ts";
import { isRejection, type Rejection } from "./rejection.ts";
import { endOf, type Micros } from "./time.ts";

/**
 * Gives points that an entry spent back to the lots that they came from, last taken first. What
 * belongs to a lot past its time goes back there too, and is booked as expired right after; or,
 * with `reissueTtl`, it becomes a new lot, which expires as well: no way makes points permanent.
 */
export function refund(booked: Applied, command: Refund, now: Micros): Applied | Rejection {
  const { state } = booked;
  const { sequence, reissueTtl } = command;
  const expireTime = reissueTtl === undefined ? null : endOf(reissueTtl, "reissue_ttl", now);
  if (typeof expireTime === "object" && expireTime !== null) return expireTime;
  const original = refundableEntry(state, sequence);
  if (isRejection(original)) return original;
  const refunded = state.refunded.get(sequence) ?? 0n;
  const refundable = original.points - refunded;
  const points = command.points ?? refundable;
  if (points > refundable || refundable === 0n) {
    return { reason: "REFUND_EXCEEDS_ENTRY", sequence, refundable, required: points };
  }
  if (!hasRoom(state.account, points)) {
    return { reason: "TOTAL_TOO_LARGE", total: "total_refunded", limit: MAX_TOTAL };
  }
  // Everything is checked; from here on it changes.
  const allRefunded = new Map(state.refunded).set(sequence, refunded + points);
  const back = lastTaken(original.allocations, refunded, points);
  const { lots, allocations, reissued } = returnToLots(state, back, expireTime, now);
  const made = reissued === undefined ? {} : { expireTime, priority: reissued.priority };
  const entry = { kind: "refund", points, allocations, refersTo: sequence, ...made } as const;
  return append(booked, { lots, refunded: allRefunded }, entry, command, now);
}

function refundableEntry(state: AccountState, sequence: bigint): Entry | Rejection {
  const entry = state.entries.get(sequence) ?? recentEntry(state, sequence);
  if (entry === undefined) return { reason: "ENTRY_NOT_FOUND", sequence };
  const { kind } = entry;
  if (kind === "consume" || kind === "settle") return entry;
  return { reason: "ENTRY_NOT_REFUNDABLE", sequence, kind };
}

function recentEntry({ recent }: AccountState, sequence: bigint): Entry | undefined {
  let at = recent;
  while (at !== undefined && at.entry.sequence !== sequence) at = at.before;
  return at?.entry;
}

/** Of what an entry took, so many points from the end, after those that were refunded before. */
function lastTaken(taken: readonly Allocation[], refunded: bigint, points: bigint) {
  const fromTheEnd = taken.toReversed();
  const { rest } = splitAllocations(fromTheEnd, refunded);
  return splitAllocations(rest, points).first;
}

type Returned = {
  readonly lots: readonly Lot[];
  readonly allocations: readonly Allocation[];
  readonly reissued: Lot | undefined;
};

function returnToLots(
  { account, lots }: AccountState,
  back: readonly Allocation[],
  reissueUntil: Micros | null,
  now: Micros,
): Returned {
  const lotOf = ({ lot: number }: Allocation) => lots.find((lot) => lot.number === number)!;
  const gone = reissueUntil === null ? [] : back.filter((part) => isDue(lotOf(part), now));
  const alive = back.filter((part) => !gone.includes(part));
  const returned = moveAllocated(lots, alive, giveBack);
  if (gone.length === 0) return { lots: returned, allocations: alive, reissued: undefined };

  const number = account.sequence + 1n;
  const points = sumPoints(gone);
  // Where several lots have expired, the new one burns as early as the earliest of them.
  const priority = Math.min(...gone.map((part) => lotOf(part).priority));
  const reissued = {
    number,
    points,
    remaining: points,
    frozen: 0n,
    priority,
    expireTime: reissueUntil,
  };
  return {
    lots: withLot(returned, reissued),
    allocations: [...alive, { lot: number, points }],
    reissued,
  };
}
