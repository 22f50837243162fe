import { min } from "./account.ts";
import type { Entry, EntryKind } from "./entry.ts";
import { type Allocation, mergeAllocations, splitAllocations } from "./lot.ts";

/** What a refund has to know of the entry that it names. */
export type RefundedEntry = Pick<
  Entry,
  | "sequence"
  | "kind"
  | "points"
  | "allocations"
  | "owed"
  | "uncovered"
  | "fromBalance"
  | "refersTo"
  | "fromClaim"
  | "member"
> & {
  /** The service for whose use it spent; of a settle: its hold's. Null: the caller named points. */
  readonly service: string | null;
  /** The service of its own usage: what a settle took beyond its hold may be for that. */
  readonly usedService: string | null;
};

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
  const { ofClaim, ofLots } = lastTaken(entry, refunded, reach);
  const lots = ofLots.map(({ lot }) => lot);
  return ofClaim > 0n && entry.refersTo !== null ? [entry.refersTo, ...lots] : lots;
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

/**
 * The last `points` of an entry that were not refunded before: what it claims comes first, then what
 * it owed.
 */
export function lastTaken(entry: RefundedEntry, refunded: bigint, points: bigint): LastTaken {
  const { allocations, owed } = entry;
  const claim = claimedBy(entry);
  const claimBefore = min(refunded, claim);
  const ofClaim = min(points, claim - claimBefore);
  const owedBefore = min(refunded - claimBefore, owed);
  const ofDebt = min(points - ofClaim, owed - owedBefore);
  const { rest } = splitAllocations(allocations.toReversed(), refunded - claimBefore - owedBefore);
  // A settle may have taken from a lot twice: by its hold, and beyond it.
  const ofLots = mergeAllocations(splitAllocations(rest, points - ofClaim - ofDebt).first);
  return { ofClaim, ofDebt, ofLots };
}

export type LastTaken = {
  /** What it claims. */
  readonly ofClaim: bigint;
  /** What it owed. */
  readonly ofDebt: bigint;
  /** What it took from lots, the last first, each lot once. */
  readonly ofLots: readonly Allocation[];
};
