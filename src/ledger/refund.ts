import { hasRoom, MAX_TOTAL, min } from "./account.ts";
import type { Refund } from "./command.ts";
import type { Entry, EntryKind } from "./entry.ts";
import { repay } from "./debt.ts";
import { endOf } from "./expiration.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import {
  type Allocation,
  commonServices,
  isDue,
  isOpen,
  isScoped,
  type Lot,
  mergeAllocations,
  moveAllocated,
  newLot,
  returnPoints,
  splitAllocations,
  sumPoints,
  withLot,
} from "./lot.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import { type AccountState, lotsFull } from "./state.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";

/** What a refund has to know of the entry that it names. */
export type RefundedEntry = Pick<Entry, "sequence" | "kind" | "points" | "allocations" | "owed">;

/**
 * Gives spent points back, last taken first: what was owed first, which lowers the debt, and then
 * what came from lots, to the lots. What was owed and has been repaid since becomes a new lot, which
 * lives as long as the longest of the lots that repaid debt. Points of an expired lot go back there
 * too, and are booked as expired right after. With `reissueTtl` both become one new lot, which
 * expires by it: a refund never makes points permanent that were not, nor usable by more services
 * than before.
 */
export function refund(booked: Applied, command: Refund, now: Micros): Applied | Rejection {
  const { state } = booked;
  const { sequence, reissueTtl } = command;
  const end =
    reissueTtl === undefined ? { expireTime: null } : endOf(reissueTtl, "reissue_ttl", now);
  if (isRejection(end)) return end;
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
  const back = givenBack(state, {
    original,
    refunded,
    points,
    isReissuing: reissueTtl !== undefined,
    now,
  });
  const full = lotsFull(state, back.opened);
  if (full !== undefined) return full;
  // Everything is checked; from here on it changes.
  const lots = moveAllocated(state.lots, back.returned, returnPoints);
  const change = {
    lots,
    repaidUntil: back.repaidUntil,
    refunded: new Map(state.refunded).set(sequence, refunded + points),
  };
  const { returned: allocations, repaid } = back;
  const entry: Draft = { kind: "refund", points, allocations, repaid, refersTo: sequence };
  if (back.fresh === 0n) return append(booked, { change, entry, cause: command, now });
  const number = state.account.sequence + 1n;
  const expireTime = reissueTtl === undefined ? expiryOf(back.repaidUntil) : end.expireTime;
  const made = { ...back.like, expireTime };
  const lot = newLot({ ...made, number, points: back.fresh });
  return append(booked, {
    change: { ...change, lots: withLot(lots, lot) },
    entry: {
      ...entry,
      ...made,
      allocations: [...allocations, { lot: number, points: lot.points }],
    },
    cause: command,
    now,
  });
}

type Refunding = {
  readonly original: RefundedEntry;
  /** The points of it that were refunded before, and those that are now. */
  readonly refunded: bigint;
  readonly points: bigint;
  /** Whether points of expired lots become a new lot. */
  readonly isReissuing: boolean;
  readonly now: Micros;
};

/** Where refunded points go. */
function givenBack(
  { account, lots, repaidUntil }: AccountState,
  { original, refunded, points, isReissuing, now }: Refunding,
) {
  const { fromDebt, taken } = lastTaken(original, refunded, points);
  const forgiven = min(fromDebt, account.debt);
  const byNumber = new Map(lots.map((lot) => [lot.number, lot]));
  const lotOf = (number: bigint) => byNumber.get(number)!;
  const isReissued = ({ lot }: Allocation) => isReissuing && isDue(lotOf(lot), now);
  const reissued = taken.filter(isReissued);
  const debt = account.debt - forgiven;
  const toLots = taken.filter((part) => !isReissued(part));
  const back = repay({ debt, repaidUntil, lotOf, now }, toLots);
  const replaced = reissued.map(({ lot }) => lotOf(lot));
  const general = sumPoints(reissued.filter(({ lot }) => !isScoped(lotOf(lot))));
  const alsoRepaid = min(debt - back.repaid, general);
  const again = fromDebt - forgiven;
  const fresh = again + sumPoints(reissued) - alsoRepaid;
  const reopened = back.kept.filter(({ lot }) => !isOpen(lotOf(lot)) && !isDue(lotOf(lot), now));
  return {
    /** What goes back to lots. */
    returned: back.kept,
    /** The points of the new lot; 0: none. */
    fresh,
    like: likeAll(replaced, again > 0n),
    repaid: forgiven + back.repaid + alsoRepaid,
    repaidUntil: back.repaidUntil,
    /** The number of lots that it opens. */
    opened: reopened.length + (fresh === 0n ? 0 : 1),
  };
}

/** The expiry of a new lot for points that repaid debt. */
function expiryOf(repaidUntil: Micros | null): Micros | null {
  return repaidUntil === LAST_INSTANT ? null : repaidUntil;
}

/**
 * What a lot is that replaces others: it burns as early as the earliest of them, only services that
 * all of them admit may take it, and it has their category if they agree on it.
 *
 * @param repaid whether it also has points that repaid debt: of any lots, with nothing said of them
 */
function likeAll(
  lots: readonly Lot[],
  repaid: boolean,
): Pick<Lot, "priority" | "category" | "services"> {
  const categories = new Set(lots.map(({ category }) => category));
  return {
    priority: repaid ? 0 : Math.min(...lots.map(({ priority }) => priority)),
    category: categories.size === 1 && !repaid ? lots[0]!.category : "",
    services: commonServices(lots),
  };
}

/**
 * The lots to which refunds of an entry can give back, whichever of them are accepted: those of the
 * points that it took last and that were not refunded before.
 *
 * @param refunded the points of it that were refunded before
 * @param asked the points of each refund; undefined: all that is left
 */
export function lotsInReach(
  entry: RefundedEntry,
  refunded: bigint,
  asked: readonly (bigint | undefined)[],
): readonly bigint[] {
  if (!isRefundable(entry.kind)) return [];
  const refundable = entry.points - refunded;
  const accepted = asked.map((some) => some ?? refundable).filter((some) => some <= refundable);
  const reach = accepted.reduce((sum, some) => sum + some, 0n);
  return lastTaken(entry, refunded, reach).taken.map(({ lot }) => lot);
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

/** The last `points` of an entry that were not refunded before: what it owed comes first. */
function lastTaken({ allocations, owed }: RefundedEntry, refunded: bigint, points: bigint) {
  const owedBefore = min(refunded, owed);
  const owedLeft = owed - owedBefore;
  const fromDebt = min(points, owedLeft);
  const { rest } = splitAllocations(allocations.toReversed(), refunded - owedBefore);
  // A settle may have taken from a lot twice: by its hold, and beyond it.
  const taken = mergeAllocations(splitAllocations(rest, points - fromDebt).first);
  return { fromDebt, taken };
}
