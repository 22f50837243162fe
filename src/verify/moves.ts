import type { Entry, EntryKind } from "../ledger/entry.ts";
import type { Revocation } from "../ledger/claim.ts";
import type { Hold } from "../ledger/hold.ts";
import type { Allocation } from "../ledger/lot.ts";
import type { Micros } from "../ledger/time.ts";
import {
  type BookedHold,
  type BookedLot,
  type Books,
  cut,
  emptyBooks,
  mayTake,
  merged,
  post,
  lower,
  type Posting,
  postingOf,
  repaying,
  sameAllocations,
} from "./books.ts";
import { flawOfClosedHold, flawOfHoldAfter, flawOfHoldTime } from "./holds.ts";
import { claimedOf, splitRevoked } from "./revoking.ts";
import type { Step, StoredLot } from "./rows.ts";

/** A deviation from the rules. */
export type Flaw = {
  /** The entry, or the one that the wrong row is named after; undefined: the account. */
  readonly sequence?: bigint;
  readonly what: string;
};

/** An account's books, and the rows that the entries so far have made and that may still change. */
export type Moves = {
  readonly books: Books<Micros | null>;
  /** The lots that are open, are to be opened again by refunds, or are stored though closed. */
  readonly lots: Map<bigint, KnownLot>;
  /** The rows of open holds, with the times of their FREEZE entries. */
  readonly holds: Map<bigint, Hold>;
  /** The entries whose refunds are still to come, as their undone rows say. */
  readonly refundables: Map<bigint, Refundable>;
  /** What is revoked of lots in the end, as their undone rows say. */
  readonly revocations: Map<bigint, Revocation>;
  /** The latest expiry of the lots that repaid debt; NEVER: that of one that never expires. */
  repaidUntil: Micros | null;
};

type KnownLot = {
  /** Undefined: it is neither in the account's row nor in the table, as closed lots are. */
  readonly stored: StoredLot | undefined;
  /** How many entries took from the lot whose refunds are still to come. */
  refundables: number;
};

/** An entry that took from lots, how much of it has been refunded so far, and how much will be. */
type Refundable = {
  /** What it claims of a lot, which is refunded first, and what it owed, which comes next. */
  readonly claim: Allocation | undefined;
  readonly owed: bigint;
  readonly allocations: readonly Allocation[];
  refunded: bigint;
  left: bigint;
};

/** The moves of an account before its first entry. */
export function noMoves(): Moves {
  return {
    books: emptyBooks(),
    lots: new Map(),
    holds: new Map(),
    refundables: new Map(),
    revocations: new Map(),
    repaidUntil: null,
  };
}

/**
 * Checks which lots and holds an entry moves points of, and when, and posts it to the books. Then
 * forgets what the entry closed for good.
 *
 * @returns the first flaw; then the moves are not to be used any more
 */
export function replayMoves(moves: Moves, step: Step, entry: Entry): Flaw | undefined {
  const { books } = moves;
  const { kind, sequence, refersTo } = entry;
  const hold = refersTo === null ? undefined : books.holds.get(refersTo);
  const posting = postingOf(entry);
  countRepaid(moves, posting);
  const flaw =
    (kind === "refund" ? flawOfRefund(moves, posting) : undefined) ??
    post(books, posting) ??
    flawOfTaking(books, entry) ??
    (hold && flawOfHold(moves, hold, entry));
  if (flaw !== undefined) return { sequence, what: flaw };

  if (books.lots.has(sequence)) moves.lots.set(sequence, { stored: step.lot, refundables: 0 });
  if (step.hold !== undefined) moves.holds.set(sequence, { ...step.hold, freezeTime: entry.time });
  if (kind === "refund") countRefund(moves, entry);
  if (step.refunded !== undefined) awaitRefunds(moves, entry, step.refunded);
  if (step.revocation !== undefined) moves.revocations.set(sequence, step.revocation);
  forgetEmpty(moves, [sequence, ...entry.allocations.map(({ lot }) => lot)]);
  if (hold === undefined || books.holds.has(refersTo!)) return undefined;
  const row = moves.holds.get(refersTo!)!;
  moves.holds.delete(refersTo!);
  const wrong = flawOfClosedHold(hold, row, entry);
  return wrong === undefined ? undefined : { sequence: refersTo!, what: wrong };
}

function flawOfHold(
  { books, holds }: Moves,
  hold: BookedHold<Micros | null>,
  entry: Entry,
): string | undefined {
  const number = entry.refersTo!;
  const flaw = flawOfHoldTime(hold, holds.get(number)!, entry);
  if (flaw !== undefined || entry.kind !== "extend") return flaw;
  return flawOfHoldAfter(books.holds.get(number)!, entry);
}

/** Spending, freezing and revoking take live lots that are for the entry's service, in burn order. */
function flawOfTaking({ lots, holds }: Moves["books"], entry: Entry): string | undefined {
  const { kind, time } = entry;
  if (!TAKES.has(kind) || entry.fromClaim) return undefined;
  // A hold that was made by points may be settled by anything, and gets no points for some services.
  const isForAnything = kind === "extend" && holds.get(entry.refersTo!)!.service === undefined;
  const posting = postingOf(isForAnything ? { ...entry, usage: null } : entry);
  // A settle takes first what its hold has, the revocation of a lot what the lot has.
  const ofHold = kind === "settle" ? entry.points - entry.owed - entry.fromBalance : 0n;
  const inOrder =
    kind === "revoke" ? splitRevoked(entry).others : cut(entry.allocations, ofHold).rest;
  const taken = inOrder.map(({ lot }) => lot);
  const all = kind === "revoke" ? entry.allocations.map(({ lot }) => lot) : taken;
  const late = all.find((number) => isDue(lots.get(number)!, time));
  if (late !== undefined) return `takes of lot ${late} past its time`;
  for (const number of taken) {
    const lot = lots.get(number)!;
    if (!mayTake(posting, number, lot))
      return `takes of lot ${number}, which is for other services`;
  }
  const burnsFirst = (a: bigint, b: bigint) => burnsBefore([a, lots.get(a)!], [b, lots.get(b)!]);
  if (taken.some((number, index) => index > 0 && !burnsFirst(taken[index - 1]!, number))) {
    return "takes of its lots in another order than they burn in";
  }
  const last = taken.at(-1);
  if (last === undefined) return undefined;
  for (const [number, lot] of lots) {
    if (lot.remaining > 0n && mayTake(posting, number, lot) && burnsFirst(number, last)) {
      return `takes of lot ${last}, though lot ${number} burns before it`;
    }
  }
}

const TAKES = new Set<EntryKind>(["consume", "freeze", "extend", "settle", "revoke"]);

type NumberedLot = readonly [
  bigint,
  Pick<BookedLot<Micros | null>, "priority" | "expireTime" | "services">,
];

/**
 * Burn order: lower priority, then lots with services, then earlier expiry with never as the last, then
 * lower number.
 */
export function burnsBefore([a, lotA]: NumberedLot, [b, lotB]: NumberedLot): boolean {
  if (lotA.priority !== lotB.priority) return lotA.priority < lotB.priority;
  const [isGeneralA, isGeneralB] = [lotA.services.length === 0, lotB.services.length === 0];
  if (isGeneralA !== isGeneralB) return isGeneralB;
  if (lotA.expireTime === lotB.expireTime) return a < b;
  if (lotA.expireTime === null || lotB.expireTime === null) return lotB.expireTime === null;
  return lotA.expireTime < lotB.expireTime;
}

/** A lot is dead from the microsecond of its expiry on. */
function isDue({ expireTime }: BookedLot<Micros | null>, now: Micros): boolean {
  return expireTime !== null && expireTime <= now;
}

/** The instant that stands for never. */
const NEVER: Micros = 253_402_300_799_999_999n;

/** Keeps the latest expiry of the lots from which an entry repays debt. */
function countRepaid(moves: Moves, posting: Entry & Posting<Micros | null>): void {
  const { kind, refersTo, repaid, expireTime } = posting;
  if (repaid === 0n) return;
  const { books } = moves;
  const expiries: (Micros | null)[] = [];
  if (kind === "recharge") expiries.push(expireTime);
  if (kind === "refund" && moves.refundables.has(refersTo!)) {
    const { back } = refunding(moves, posting);
    for (const { lot } of back.spent) expiries.push(books.lots.get(lot)!.expireTime);
  }
  if (kind === "settle" || kind === "release") {
    const { allocations = [] } = books.holds.get(refersTo!) ?? {};
    const ofHold = kind === "settle" ? posting.points - posting.owed - posting.fromBalance : 0n;
    const { spent } = repaying(books, posting, cut(allocations, ofHold).rest);
    for (const { lot } of spent) expiries.push(books.lots.get(lot)!.expireTime);
  }
  for (const expiry of expiries) {
    const until = expiry ?? NEVER;
    if (moves.repaidUntil === null || until > moves.repaidUntil) moves.repaidUntil = until;
  }
}

/**
 * A refund gives back the points that its entry took last, and before those the points that it owed.
 * The latter lower the debt; what of them was repaid since goes to a new lot. So do points of dead
 * lots, if they are reissued. The others go back where they came from, or repay debt.
 */
function flawOfRefund(moves: Moves, entry: Entry & Posting<Micros | null>): string | undefined {
  const { books, refundables } = moves;
  const { sequence, points, allocations, refersTo, priority, expireTime } = entry;
  const original = refersTo === null ? undefined : refundables.get(refersTo);
  const asked = points + entry.uncovered;
  if (original === undefined || asked > original.left) {
    const left = original?.left ?? 0n;
    return `refunds ${asked} points of entry ${refersTo}, of which its undone row leaves ${left}`;
  }
  const { back, dead, again, repaid, ended } = refunding(moves, entry);
  if (entry.uncovered !== ended)
    return `ends ${entry.uncovered} points of a claim, and not ${ended}`;
  if (entry.repaid !== repaid) return `repays ${entry.repaid} points and not ${repaid}`;
  const fresh = points - repaid - back.kept.reduce((sum, part) => sum + part.points, 0n);
  const expected = [...back.kept];
  if (fresh > 0n) expected.push({ lot: sequence, points: fresh });
  if (!sameAllocations(allocations, expected)) {
    return `gives back to other lots than entry ${refersTo} took from`;
  }
  if (fresh === 0n && expireTime !== null) return "has an expiry, and made no lot";
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
function refunding(
  { books, refundables }: Moves,
  entry: Entry & Posting<Micros | null>,
): {
  /** What comes back to lots. */
  readonly back: ReturnType<typeof repaying>;
  /** What a new lot takes the place of. */
  readonly dead: readonly Allocation[];
  /** What was owed, and has been repaid since. */
  readonly again: bigint;
  readonly repaid: bigint;
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
  const wentBack = (part: Allocation) =>
    allocations.some(
      ({ lot, points: given }) => lot === part.lot && given > lower(claimedAfter(lot), given),
    );
  const isReissuing = free.length > 0 && !free.some(wentBack);
  const dead = isReissuing ? free : [];
  const debt = books.figures.debt - forgiven;
  const freeOf = new Map(dead.map(({ lot, points: some }) => [lot, some]));
  const toLots = taken
    .map(({ lot, points: all }) => ({ lot, points: all - (freeOf.get(lot) ?? 0n) }))
    .filter((part) => part.points > 0n);
  const ending = claim && { lot: claim.lot, points: ended };
  const back = repaying(books, entry, toLots, { debt, ended: ending });
  const general = dead.filter(({ lot }) => books.lots.get(lot)!.services.length === 0);
  const renewed = general.reduce((sum, part) => sum + part.points, 0n);
  const repaid = forgiven + back.repaid + lower(renewed, debt - back.repaid);
  return {
    back,
    dead: makesLot || repaid > forgiven + back.repaid ? dead : [],
    again,
    repaid,
    ended,
  };
}

function countRefund(moves: Moves, { refersTo, points, uncovered }: Entry): void {
  const original = moves.refundables.get(refersTo!)!;
  original.refunded += points + uncovered;
  original.left -= points + uncovered;
  if (original.left > 0n) return;
  moves.refundables.delete(refersTo!);
  for (const lot of lotsOf(original)) moves.lots.get(lot)!.refundables -= 1;
  forgetEmpty(moves, lotsOf(original));
}

function awaitRefunds(moves: Moves, entry: Entry, left: bigint): void {
  const { kind, sequence, allocations, owed, uncovered, refersTo } = entry;
  const claims = kind === "revoke" && refersTo !== null && uncovered > 0n;
  const claim = claims ? { lot: refersTo, points: uncovered } : undefined;
  const refundable = { claim, owed, allocations, refunded: 0n, left };
  moves.refundables.set(sequence, refundable);
  for (const lot of lotsOf(refundable)) moves.lots.get(lot)!.refundables += 1;
}

/** The lots to which refunds of an entry may give back. */
function lotsOf({ allocations, claim }: Pick<Refundable, "allocations" | "claim">): bigint[] {
  return [...allocations, ...(claim === undefined ? [] : [claim])].map(({ lot }) => lot);
}

/**
 * Bounds the memory: of an account with a million entries most lots are empty for good. A lot is
 * forgotten when it is empty, is not stored, nothing of it is revoked, and no refund is to come. If a later entry wants
 * something of it, that entry is wrong.
 */
function forgetEmpty(moves: Moves, lots: readonly bigint[]): void {
  for (const number of lots) {
    const lot = moves.lots.get(number);
    if (lot === undefined || lot.refundables > 0 || lot.stored !== undefined) continue;
    if (moves.revocations.has(number)) continue;
    const { remaining, frozen } = moves.books.lots.get(number)!;
    if (remaining + frozen > 0n) continue;
    moves.lots.delete(number);
    moves.books.lots.delete(number);
  }
}
