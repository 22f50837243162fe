import type { Entry } from "../ledger/entry.ts";
import type { Allocation } from "../ledger/lot.ts";
import type { Micros } from "../ledger/time.ts";
import { cut, lower, merged, sameAllocations, sumOf } from "./allocations.ts";
import { type BookedLot, type Books, type Posting, repaying } from "./books.ts";
import { claimedOf } from "./revoking.ts";
import type { Spent } from "./limits.ts";

/** What refunds are checked by. */
export type Refunds = {
  readonly books: Books<Micros | null>;
  /** The entries whose refunds are still to come, as their undone rows say. */
  readonly refundables: ReadonlyMap<bigint, Refundable>;
  /** The latest expiry of the lots that repaid debt; NEVER: that of one that never expires. */
  readonly repaidUntil: Micros | null;
};

/** An entry that took from lots, how much of it has been refunded so far, and how much will be. */
export type Refundable = {
  /** What it claims of a lot, which is refunded first, and what it owed, which comes next. */
  readonly claim: Allocation | undefined;
  readonly owed: bigint;
  readonly allocations: readonly Allocation[];
  /** Undefined: it revoked, which counts against no limit. */
  readonly spender: Spent | undefined;
  refunded: bigint;
  left: bigint;
};

/**
 * A refund gives back the points that its entry took last, and before those the points that it owed.
 * The latter lower the debt; what of them was repaid since goes to a new lot. So do points of dead
 * lots, if they are reissued. The others go back where they came from, or repay debt.
 */
export function flawOfRefund(
  moves: Refunds,
  entry: Entry & Posting<Micros | null>,
): string | undefined {
  const { books, refundables } = moves;
  const { sequence, points, allocations, refersTo, priority, expireTime } = entry;
  const original = refersTo === null ? undefined : refundables.get(refersTo);
  const asked = points + entry.uncovered;
  if (original === undefined || asked > original.left) {
    const left = original?.left ?? 0n;
    return `refunds ${asked} points of entry ${refersTo}, of which its undone row leaves ${left}`;
  }
  if (entry.member !== (original.spender?.member ?? "")) return "names another member than spent";
  const { back, dead, again, repaid, renewed, ended } = refunding(moves, entry);
  if (entry.uncovered !== ended)
    return `ends ${entry.uncovered} points of a claim, and not ${ended}`;
  if (entry.repaid !== repaid) return `repays ${entry.repaid} points and not ${repaid}`;
  const fresh = points - repaid - back.kept.reduce((sum, part) => sum + part.points, 0n);
  const expected = [...back.kept];
  if (fresh > 0n) expected.push({ lot: sequence, points: fresh });
  if (!sameAllocations(allocations, expected)) {
    return `gives back to other lots than entry ${refersTo} took from`;
  }
  if (fresh + renewed === 0n && expireTime !== null) return "has an expiry, and made no lot";
  if (renewed > 0n && expireTime === null)
    return "does not say how long what repaid debt had lived";
  const priorities = dead.map(({ lot }) => books.lots.get(lot)!.priority);
  if (again > 0n) priorities.push(0);
  const lowest = fresh === 0n || priorities.length === 0 ? 0 : Math.min(...priorities);
  if (priority !== lowest) return `has priority ${priority}, and not ${lowest}`;
  const lots = dead.map(({ lot }) => books.lots.get(lot)!);
  const wrong = fresh === 0n ? undefined : flawOfWords(entry, lots, again > 0n);
  if (wrong !== undefined) return wrong;
  if (dead.length > 0 && fresh > 0n && expireTime === null) {
    return "makes points that expired permanent";
  }
  const isOfTtl = dead.length > 0 || fresh === 0n;
  if (isOfTtl || expireTime === (moves.repaidUntil === NEVER ? null : moves.repaidUntil)) return;
  // With reissue_ttl it lives that long.
  if (expireTime === null) return "makes points that repaid debt permanent";
}

/** What a new lot says that takes the place of others, and of points that repaid debt. */
function flawOfWords(
  entry: Entry,
  lots: readonly BookedLot<Micros | null>[],
  repaid: boolean,
): string | undefined {
  const [category, ...others] = new Set(lots.map((lot) => lot.category));
  if (entry.category !== (others.length > 0 || repaid ? "" : (category ?? ""))) {
    return "has a category that not all of its lots had";
  }
  const scoped = lots.map(({ services }) => services).filter(({ length }) => length > 0);
  const common = scoped.reduce(
    (all, services) => all.filter((one) => services.includes(one)),
    [...new Set(scoped.flat())],
  );
  if (entry.services.toSorted().join(" ") === common.toSorted().join(" ")) return undefined;
  return "makes points usable by other services";
}

/** Where the points of a refund go. */
export function refunding(
  { books, refundables }: Omit<Refunds, "repaidUntil">,
  entry: Entry & Posting<Micros | null>,
): {
  /** What comes back to lots. */
  readonly back: ReturnType<typeof repaying>;
  /** What a new lot takes the place of. */
  readonly dead: readonly Allocation[];
  /** What was owed, and has been repaid since. */
  readonly again: bigint;
  readonly repaid: bigint;
  /** What of dead lots' points repaid debt, instead of becoming a new lot. */
  readonly renewed: bigint;
  /** The open points of a claim that end. */
  readonly ended: bigint;
} {
  const { sequence, points, uncovered, allocations, refersTo, time } = entry;
  const { claim, owed, refunded, allocations: originally } = refundables.get(refersTo!)!;
  const claimBefore = lower(refunded, claim?.points ?? 0n);
  const fromClaim = lower(points + uncovered, (claim?.points ?? 0n) - claimBefore);
  const ended = claim === undefined ? 0n : lower(fromClaim, claimedOf(books, claim.lot));
  const before = lower(refunded - claimBefore, owed);
  const fromDebt = lower(points + uncovered - fromClaim, owed - before);
  const forgiven = lower(fromDebt, books.figures.debt);
  const { rest } = cut(originally.toReversed(), refunded - claimBefore - before);
  const ofLots = cut(rest, points + uncovered - fromClaim - fromDebt).first;
  const ofClaim = fromClaim > ended ? [{ lot: claim!.lot, points: fromClaim - ended }] : [];
  const taken = merged([...ofClaim, ...ofLots]);
  const again = fromDebt - forgiven;
  const makesLot = allocations.some(({ lot }) => lot === sequence);
  const claimedAfter = (lot: bigint) => claimedOf(books, lot) - (lot === claim?.lot ? ended : 0n);
  const past = taken.filter(({ lot }) => isDue(books.lots.get(lot)!, time));
  // What is claimed of a dead lot goes back to it. If nothing else does, all of that was reissued.
  const free = past
    .map(({ lot, points: all }) => ({ lot, points: all - lower(all, claimedAfter(lot)) }))
    .filter((part) => part.points > 0n);
  const given = new Map(allocations.map((part) => [part.lot, part.points]));
  const wentBack = free.some(({ lot }) => (given.get(lot) ?? 0n) > claimedAfter(lot));
  const isReissuing = free.length > 0 && !wentBack;
  const dead = isReissuing ? free : [];
  const debt = books.figures.debt - forgiven;
  const freeOf = new Map(dead.map(({ lot, points: some }) => [lot, some]));
  const toLots = taken
    .map(({ lot, points: all }) => ({ lot, points: all - (freeOf.get(lot) ?? 0n) }))
    .filter((part) => part.points > 0n);
  const ending = claim && { lot: claim.lot, points: ended };
  const back = repaying(books, entry, toLots, { debt, ended: ending });
  const general = dead.filter(({ lot }) => books.lots.get(lot)!.services.length === 0);
  const renewed = lower(sumOf(general), debt - back.repaid);
  const repaid = forgiven + back.repaid + renewed;
  return {
    back,
    dead: makesLot || repaid > forgiven + back.repaid ? dead : [],
    again,
    repaid,
    renewed,
    ended,
  };
}

/** A lot is dead from the microsecond of its expiry on. */
export function isDue({ expireTime }: BookedLot<Micros | null>, now: Micros): boolean {
  return expireTime !== null && expireTime <= now;
}

/** The instant that stands for never. */
export const NEVER: Micros = 253_402_300_799_999_999n;
