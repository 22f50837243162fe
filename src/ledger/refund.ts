import { hasRoom, MAX_TOTAL } from "./account.ts";
import { type AccountState, lotsFull } from "./state.ts";
import type { Refund } from "./command.ts";
import type { Entry } from "./entry.ts";
import { type Applied, append } from "./journal.ts";
import {
  type Allocation,
  giveBack,
  isDue,
  isOpen,
  type Lot,
  moveAllocated,
  splitAllocations,
  sumPoints,
  withLot,
} from "./lot.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
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
  const denied = overMaxPoints(command, points);
  if (denied !== undefined) return denied;
  if (!hasRoom(state.account, points)) {
    return { reason: "TOTAL_TOO_LARGE", total: "total_refunded", limit: MAX_TOTAL };
  }
  const byNumber = new Map(state.lots.map((lot) => [lot.number, lot]));
  const taken = lastTaken(original.allocations, refunded, points);
  const back = sortBack(byNumber, taken, expireTime, now);
  const full = lotsFull(state, countOpened(byNumber, back, now));
  if (full !== undefined) return full;
  // Everything is checked; from here on it changes.
  const allRefunded = new Map(state.refunded).set(sequence, refunded + points);
  const returned = moveAllocated(state.lots, back.alive, giveBack);
  const reissued = reissue(state, byNumber, back.gone, expireTime);
  const lots = reissued === undefined ? returned : withLot(returned, reissued);
  const own = reissued === undefined ? [] : [{ lot: reissued.number, points: reissued.points }];
  const allocations = [...back.alive, ...own];
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

/** What goes back, by where it goes: to its lot, or into a new lot, as its own is past its time. */
type Back = { readonly alive: readonly Allocation[]; readonly gone: readonly Allocation[] };

function sortBack(
  lots: ReadonlyMap<bigint, Lot>,
  back: readonly Allocation[],
  reissueUntil: Micros | null,
  now: Micros,
): Back {
  const isGone = ({ lot }: Allocation) => reissueUntil !== null && isDue(lots.get(lot)!, now);
  return { alive: back.filter((part) => !isGone(part)), gone: back.filter(isGone) };
}

/** How many lots more are open then. */
function countOpened(lots: ReadonlyMap<bigint, Lot>, { alive, gone }: Back, now: Micros): number {
  const opened = alive.map(({ lot }) => lots.get(lot)!);
  const reopened = opened.filter((lot) => !isOpen(lot) && !isDue(lot, now)).length;
  return gone.length === 0 ? reopened : reopened + 1;
}

/** The lot that points become whose own lots are past their time; undefined: there are none. */
function reissue(
  { account }: AccountState,
  lots: ReadonlyMap<bigint, Lot>,
  gone: readonly Allocation[],
  expireTime: Micros | null,
): Lot | undefined {
  if (gone.length === 0) return undefined;
  const points = sumPoints(gone);
  // Where several lots have expired, the new one burns as early as the earliest of them.
  const priority = Math.min(...gone.map(({ lot }) => lots.get(lot)!.priority));
  const number = account.sequence + 1n;
  return { number, points, remaining: points, frozen: 0n, priority, expireTime };
}
