import { hasRoom, MAX_TOTAL } from "./account.ts";
import type { Refund } from "./command.ts";
import type { Entry, EntryKind } from "./entry.ts";
import { endOf } from "./expiration.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import {
  type Allocation,
  isDue,
  isOpen,
  moveAllocated,
  newLot,
  returnPoints,
  splitAllocations,
  sumPoints,
  withLot,
} from "./lot.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import { type AccountState, lotsFull } from "./state.ts";
import type { Micros } from "./time.ts";

/** What a refund has to know of the entry that it names. */
export type RefundedEntry = Pick<Entry, "sequence" | "kind" | "points" | "allocations">;

/**
 * Gives spent points back to the lots that they came from, last taken first. Points of an expired
 * lot go back there too, and are booked as expired right after; or, with `reissueTtl`, they become
 * a new lot, which expires as well: a refund never makes points permanent.
 */
export function refund(booked: Applied, command: Refund, now: Micros): Applied | Rejection {
  const { state } = booked;
  const { sequence, reissueTtl } = command;
  const end =
    reissueTtl === undefined ? { expireTime: null } : endOf(reissueTtl, "reissue_ttl", now);
  if (isRejection(end)) return end;
  const { expireTime } = end;
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
  const lotsByNumber = new Map(state.lots.map((lot) => [lot.number, lot]));
  const lotOf = ({ lot }: Allocation) => lotsByNumber.get(lot)!;
  const isReissued = (part: Allocation) => expireTime !== null && isDue(lotOf(part), now);
  const taken = lastTaken(original.allocations, refunded, points);
  const returned = taken.filter((part) => !isReissued(part));
  const reissued = taken.filter(isReissued);
  const reopened = returned.map(lotOf).filter((lot) => !isOpen(lot) && !isDue(lot, now));
  const full = lotsFull(state, reopened.length + (reissued.length === 0 ? 0 : 1));
  if (full !== undefined) return full;
  // Everything is checked; from here on it changes.
  const lots = moveAllocated(state.lots, returned, returnPoints);
  const change = { lots, refunded: new Map(state.refunded).set(sequence, refunded + points) };
  const entry: Draft = { kind: "refund", points, allocations: returned, refersTo: sequence };
  if (reissued.length === 0) return append(booked, { change, entry, cause: command, now });
  const number = state.account.sequence + 1n;
  // The new lot burns as early as the earliest of the lots that it replaces.
  const priority = Math.min(...reissued.map((part) => lotOf(part).priority));
  const lot = newLot({ number, points: sumPoints(reissued), priority, expireTime });
  const allocations = [...returned, { lot: number, points: lot.points }];
  return append(booked, {
    change: { ...change, lots: withLot(lots, lot) },
    entry: { ...entry, allocations, expireTime, priority },
    cause: command,
    now,
  });
}

/**
 * The lots to which refunds of an entry can give back, whichever of them are accepted: those of the
 * points that it took last and that were not refunded before.
 *
 * @param refunded the points of it that were refunded before
 * @param asked the points of each refund; undefined: all that is left
 */
export function lotsInReach(
  { kind, points, allocations }: RefundedEntry,
  refunded: bigint,
  asked: readonly (bigint | undefined)[],
): readonly bigint[] {
  if (!isRefundable(kind)) return [];
  const refundable = points - refunded;
  const accepted = asked.map((some) => some ?? refundable).filter((some) => some <= refundable);
  const reach = accepted.reduce((sum, some) => sum + some, 0n);
  return lastTaken(allocations, refunded, reach).map(({ lot }) => lot);
}

/** Whether points of entries of this kind can be given back. */
export function isRefundable(kind: EntryKind): boolean {
  return kind === "consume" || kind === "settle";
}

function refundableEntry(state: AccountState, sequence: bigint): RefundedEntry | Rejection {
  const entry = state.entries.get(sequence) ?? recentEntry(state, sequence);
  if (entry === undefined) return { reason: "ENTRY_NOT_FOUND", sequence };
  const { kind } = entry;
  if (isRefundable(kind)) return entry;
  return { reason: "ENTRY_NOT_REFUNDABLE", sequence, kind };
}

function recentEntry({ recent }: AccountState, sequence: bigint): Entry | undefined {
  let at = recent;
  while (at !== undefined && at.entry.sequence !== sequence) at = at.before;
  return at?.entry;
}

/** The last `points` that an entry took and that were not refunded before. */
function lastTaken(taken: readonly Allocation[], refunded: bigint, points: bigint) {
  const fromTheEnd = taken.toReversed();
  const { rest } = splitAllocations(fromTheEnd, refunded);
  return splitAllocations(rest, points).first;
}
