import { hasRoom, MAX_TOTAL, min } from "./account.ts";
import type { Refund } from "./command.ts";
import type { Entry, EntryKind } from "./entry.ts";
import { afterTaking, claimOn, claimsTaking, revocationOf, type Revocations } from "./claim.ts";
import { repay } from "./debt.ts";
import { endOf } from "./expiration.ts";
import { entryChanged } from "./guard.ts";
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
import { type AccountState, lotsFull, recentEntry } from "./state.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";

/** What a refund has to know of the entry that it names. */
export type RefundedEntry = Pick<
  Entry,
  "sequence" | "kind" | "points" | "allocations" | "owed" | "uncovered" | "refersTo" | "fromClaim"
>;

/**
 * Gives back what was spent or revoked, last taken first: what was owed first, which lowers the debt,
 * and then what came from lots, to the lots. What was owed and has been repaid since becomes a new
 * lot, which lives as long as the longest of the lots that repaid debt. Points of an expired lot go
 * back there too, and are booked as expired right after. With `reissueTtl` both become one new lot,
 * which expires by it: a refund never makes points permanent that were not, nor usable by more services
 * than before.
 *
 * A refund of a revocation ends first what of its claim is open, which moves no points. What the claim
 * has taken since goes back to the lot.
 */
export function refund(booked: Applied, command: Refund, now: Micros): Applied | Rejection {
  const { state } = booked;
  const { sequence, reissueTtl } = command;
  const end =
    reissueTtl === undefined ? { expireTime: null } : endOf(reissueTtl, "reissue_ttl", now);
  if (isRejection(end)) return end;
  const original = refundableEntry(state, command);
  if (isRejection(original)) return original;
  const refunded = state.refunded.get(sequence) ?? 0n;
  const refundable = refundableOf(original) - refunded;
  const required = command.points ?? refundable;
  if (required > refundable || refundable === 0n) {
    return { reason: "REFUND_EXCEEDS_ENTRY", sequence, refundable, required };
  }
  const denied = overMaxPoints(command, required);
  if (denied !== undefined) return denied;
  const isReissuing = reissueTtl !== undefined;
  const back = givenBack(state, { original, refunded, points: required, isReissuing, now });
  const points = required - back.unclaimed;
  if (!hasRoom(state.account, points)) {
    return { reason: "TOTAL_TOO_LARGE", total: "total_refunded", limit: MAX_TOTAL };
  }
  const full = lotsFull(state, back.opened);
  if (full !== undefined) return full;
  if (back.like === undefined) {
    const description = "must be unset: the points were for services that have none in common";
    return { reason: "FIELD_INVALID", field: "reissue_ttl", description };
  }
  // Everything is checked; from here on it changes.
  const lots = moveAllocated(state.lots, back.returned, returnPoints);
  const change = {
    lots,
    repaidUntil: back.repaidUntil,
    refunded: new Map(state.refunded).set(sequence, refunded + required),
    revoked: back.revoked,
  };
  const { returned: allocations, repaid, unclaimed: uncovered } = back;
  const refersTo = sequence;
  const entry: Draft = { kind: "refund", points, allocations, repaid, uncovered, refersTo };
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
  state: AccountState,
  { original, refunded, points, isReissuing, now }: Refunding,
) {
  const { account, lots, repaidUntil } = state;
  const last = lastTaken(original, refunded, points);
  const { fromDebt } = last;
  const { revoked, unclaimed, taken } = endClaim(state.revoked, original, last);
  const forgiven = min(fromDebt, account.debt);
  const byNumber = new Map(lots.map((lot) => [lot.number, lot]));
  const lotOf = (number: bigint) => byNumber.get(number)!;
  const isReissued = ({ lot }: Allocation) => isReissuing && isDue(lotOf(lot), now);
  // A claim on an expired lot takes its points before they are given a new one.
  const claimedOf = claimsTaking(revoked);
  const toLots: Allocation[] = [];
  const reissued: Allocation[] = [];
  for (const part of taken) {
    const stays = isReissued(part) ? claimedOf(part) : part.points;
    if (stays > 0n) toLots.push({ ...part, points: stays });
    if (stays < part.points) reissued.push({ ...part, points: part.points - stays });
  }
  const debt = account.debt - forgiven;
  const back = repay({ debt, repaidUntil, revoked, lotOf, now }, toLots);
  const replaced = reissued.map(({ lot }) => lotOf(lot));
  const general = sumPoints(reissued.filter(({ lot }) => !isScoped(lotOf(lot))));
  const alsoRepaid = min(debt - back.repaid, general);
  const again = fromDebt - forgiven;
  const fresh = again + sumPoints(reissued) - alsoRepaid;
  const stays = ({ lot, points: all }: Allocation) => all > claimOn(revoked, { number: lot });
  const reopened = back.kept.filter(
    (part) => stays(part) && !isOpen(lotOf(part.lot)) && !isDue(lotOf(part.lot), now),
  );
  return {
    /** The points of a claim that it ends, and the claims after that. */
    unclaimed,
    revoked,
    /** What goes back to lots. */
    returned: back.kept,
    /** The points of the new lot; 0: none. */
    fresh,
    /** What the new lot is; undefined: there is none that replaces all of these. */
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
): Pick<Lot, "priority" | "category" | "services"> | undefined {
  const services = commonServices(lots);
  if (services === undefined) return undefined;
  const categories = new Set(lots.map(({ category }) => category));
  return {
    priority: repaid ? 0 : Math.min(...lots.map(({ priority }) => priority)),
    category: categories.size === 1 && !repaid ? lots[0]!.category : "",
    services,
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
  if (!isRefundable(entry)) return [];
  const refundable = refundableOf(entry) - refunded;
  const accepted = asked.map((some) => some ?? refundable).filter((some) => some <= refundable);
  const reach = accepted.reduce((sum, some) => sum + some, 0n);
  const { fromClaim, taken } = lastTaken(entry, refunded, reach);
  const lots = taken.map(({ lot }) => lot);
  return fromClaim > 0n && entry.refersTo !== null ? [entry.refersTo, ...lots] : lots;
}

/** Whether points of entries of this kind can be given back. */
export function isRefundableKind(kind: EntryKind): boolean {
  return kind === "consume" || kind === "settle" || kind === "revoke";
}

/** Whether points of an entry can be given back: what a claim took is with the entry that claims. */
export function isRefundable({ kind, fromClaim }: RefundedEntry): boolean {
  return isRefundableKind(kind) && !fromClaim;
}

/** The points of an entry that can be given back, what it claims included. */
export function refundableOf(entry: RefundedEntry): bigint {
  return entry.points + claimedBy(entry);
}

/** The points that an entry claims of a lot. */
function claimedBy({ kind, uncovered, refersTo }: RefundedEntry): bigint {
  return kind === "revoke" && refersTo !== null ? uncovered : 0n;
}

function refundableEntry(
  state: AccountState,
  { sequence, expectedHash }: Refund,
): RefundedEntry | Rejection {
  const entry = state.entries.get(sequence) ?? recentEntry(state, sequence);
  if (entry === undefined) return { reason: "ENTRY_NOT_FOUND", sequence };
  const changed = entryChanged(state, sequence, expectedHash);
  if (changed !== undefined) return changed;
  const { kind } = entry;
  if (isRefundable(entry)) return entry;
  return { reason: "ENTRY_NOT_REFUNDABLE", sequence, kind };
}

/**
 * The last `points` of an entry that were not refunded before: what it claims comes first, then what
 * it owed.
 */
function lastTaken(entry: RefundedEntry, refunded: bigint, points: bigint): LastTaken {
  const { allocations, owed } = entry;
  const claim = claimedBy(entry);
  const claimBefore = min(refunded, claim);
  const fromClaim = min(points, claim - claimBefore);
  const owedBefore = min(refunded - claimBefore, owed);
  const fromDebt = min(points - fromClaim, owed - owedBefore);
  const { rest } = splitAllocations(allocations.toReversed(), refunded - claimBefore - owedBefore);
  // A settle may have taken from a lot twice: by its hold, and beyond it.
  const taken = mergeAllocations(splitAllocations(rest, points - fromClaim - fromDebt).first);
  return { fromClaim, fromDebt, taken };
}

type LastTaken = {
  readonly fromClaim: bigint;
  readonly fromDebt: bigint;
  readonly taken: readonly Allocation[];
};

/** Ends what is open of a claim; what it has taken since comes back first. */
function endClaim(
  revoked: Revocations,
  { refersTo }: RefundedEntry,
  { fromClaim, taken }: LastTaken,
) {
  if (fromClaim === 0n || refersTo === null) return { revoked, unclaimed: 0n, taken };
  const revocation = revocationOf(revoked, refersTo);
  const unclaimed = min(fromClaim, revocation.claimed);
  const again = fromClaim - unclaimed;
  const before = again === 0n ? [] : [{ lot: refersTo, points: again }];
  const after = new Map(revoked).set(refersTo, afterTaking(revocation, unclaimed));
  return {
    revoked: unclaimed === 0n ? revoked : after,
    unclaimed,
    taken: mergeAllocations([...before, ...taken]),
  };
}
