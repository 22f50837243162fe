import { hasRoom, MAX_TOTAL, min } from "./account.ts";
import { afterTaking, claimedOf, revocationOf, type Revocations } from "./claim.ts";
import type { Refund } from "./command.ts";
import { repay, untilAfter } from "./debt.ts";
import { endOf } from "./expiration.ts";
import { entryChanged } from "./guard.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import { uncount } from "./limit.ts";
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
  NO_SERVICES,
  returnPoints,
  sumPoints,
  withLot,
} from "./lot.ts";
import { serviceOf } from "./prices.ts";
import {
  isRefundable,
  type LastTaken,
  lastTaken,
  type RefundedEntry,
  refundableOf,
} from "./refundable.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import { type AccountState, lotsFull, recentEntry } from "./state.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";

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
  const reissueEnd = end.expireTime;
  const back = givenBack(state, { original, refunded, points: required, reissueEnd, now });
  const points = required - back.ended;
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
    policies: uncountRefund(state, original, { refunded, points, now }),
  };
  const { returned: allocations, repaid, ended: uncovered } = back;
  const refersTo = sequence;
  const { member } = original;
  const about = { refersTo, expireTime: back.renewed > 0n ? reissueEnd : null, member };
  const entry: Draft = { kind: "refund", points, allocations, repaid, uncovered, ...about };
  if (back.fresh === 0n) return append(booked, { change, entry, cause: command, now });
  const number = state.account.sequence + 1n;
  const expireTime = reissueEnd ?? expiryOf(back.repaidUntil);
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

/**
 * Takes refunded points off the limits; what was revoked was not counted. What a settle took beyond its
 * hold it took last, and so it comes back first: the settle counted that, and its FREEZE the others.
 */
function uncountRefund(
  { policies }: AccountState,
  { kind, sequence, refersTo, service, usedService, member, fromBalance, owed }: RefundedEntry,
  { refunded, points, now }: Pick<Refunding, "refunded" | "points" | "now">,
) {
  if (kind === "revoke") return policies;
  const spend = { points, service, member };
  if (kind === "consume") return uncount(policies, spend, { counted: sequence, now });
  const beyond = fromBalance + owed;
  const more = { ...spend, service: service ?? usedService };
  const ofBeyond = min(points, beyond - min(beyond, refunded));
  const rest = uncount(policies, { ...more, points: ofBeyond }, { counted: sequence, now });
  return uncount(rest, { ...spend, points: points - ofBeyond }, { counted: refersTo!, now });
}

type Refunding = {
  readonly original: RefundedEntry;
  /** The points of it that were refunded before, and those that are now. */
  readonly refunded: bigint;
  readonly points: bigint;
  /** Until when points of expired lots live on, in a new lot; null: they expire. */
  readonly reissueEnd: Micros | null;
  readonly now: Micros;
};

/** Where refunded points go. */
function givenBack(
  state: AccountState,
  { original, refunded, points, reissueEnd, now }: Refunding,
) {
  const { account, lots, repaidUntil } = state;
  const last = lastTaken(original, refunded, points);
  const { revoked, ended, taken } = endClaim(state.revoked, original, last);
  const forgiven = min(last.ofDebt, account.debt);
  const byNumber = new Map(lots.map((lot) => [lot.number, lot]));
  const lotOf = (number: bigint) => byNumber.get(number)!;
  const isReissued = ({ lot }: Allocation) => reissueEnd !== null && isDue(lotOf(lot), now);
  // A claim on an expired lot takes its points before they are given a new one.
  const toLots: Allocation[] = [];
  const reissued: Allocation[] = [];
  for (const part of taken) {
    const stays = isReissued(part) ? claimedOf(revoked, part) : part.points;
    if (stays > 0n) toLots.push({ ...part, points: stays });
    if (stays < part.points) reissued.push({ ...part, points: part.points - stays });
  }
  const debt = account.debt - forgiven;
  const back = repay({ debt, repaidUntil, revoked, lotOf, now }, toLots);
  const replaced = reissued.map(({ lot }) => lotOf(lot));
  const general = sumPoints(reissued.filter(({ lot }) => !isScoped(lotOf(lot))));
  const renewed = min(debt - back.repaid, general);
  const again = last.ofDebt - forgiven;
  const fresh = again + sumPoints(reissued) - renewed;
  const reopened = back.kept
    .filter((part) => part.points > claimedOf(revoked, part))
    .filter(({ lot }) => !isOpen(lotOf(lot)) && !isDue(lotOf(lot), now));
  return {
    /** The points of a claim that it ends, and the claims after that. */
    ended,
    revoked,
    /** What goes back to lots. */
    returned: back.kept,
    /** The points of the new lot; 0: none. */
    fresh,
    /** What the new lot is; undefined: there is none that replaces all of these. */
    like: fresh === 0n ? NO_LOT : likeAll(replaced, again > 0n),
    repaid: forgiven + back.repaid + renewed,
    /** What of the points of expired lots repaid debt: it would have lived until `reissueEnd`. */
    renewed,
    repaidUntil: renewed === 0n ? back.repaidUntil : untilAfter(back.repaidUntil, reissueEnd),
    /** The number of lots that it opens. */
    opened: reopened.length + (fresh === 0n ? 0 : 1),
  };
}

/** Of no new lot. */
const NO_LOT = { priority: 0, category: "", services: NO_SERVICES };

/**
 * The expiry of a new lot for points that repaid debt.
 *
 * @throws if none did: then there is a bug, for what was owed is still owed
 */
function expiryOf(repaidUntil: Micros | null): Micros | null {
  if (repaidUntil === null) throw new Error("points come back for a debt that nothing repaid");
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

function refundableEntry(
  state: AccountState,
  { sequence, expectedHash }: Refund,
): RefundedEntry | Rejection {
  const changed = entryChanged(state, sequence, expectedHash);
  if (changed !== undefined) return changed;
  const entry = state.entries.get(sequence) ?? recentlySpent(state, sequence);
  if (entry === undefined) return { reason: "ENTRY_NOT_FOUND", sequence };
  const { kind } = entry;
  if (isRefundable(entry)) return entry;
  return { reason: "ENTRY_NOT_REFUNDABLE", sequence, kind };
}

function recentlySpent(state: AccountState, sequence: bigint): RefundedEntry | undefined {
  const entry = recentEntry(state, sequence);
  if (entry === undefined) return undefined;
  const hold = state.holds.find(({ number }) => number === entry.refersTo);
  const usedService = serviceOf(entry);
  return { ...entry, service: entry.kind === "settle" ? hold!.service : usedService, usedService };
}

/** Ends what is open of a claim; what it has taken since comes back first. */
function endClaim(revoked: Revocations, { refersTo }: RefundedEntry, last: LastTaken) {
  const { ofClaim, ofLots } = last;
  if (ofClaim === 0n || refersTo === null) return { revoked, ended: 0n, taken: ofLots };
  const revocation = revocationOf(revoked, refersTo);
  const ended = min(ofClaim, revocation.claimed);
  const again = ofClaim - ended;
  const before = again === 0n ? [] : [{ lot: refersTo, points: again }];
  const taken = mergeAllocations([...before, ...ofLots]);
  if (ended === 0n) return { revoked, ended, taken };
  return {
    revoked: new Map(revoked).set(refersTo, afterTaking(revocation, ended)),
    ended,
    taken,
  };
}
