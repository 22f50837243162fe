import type { Entry, EntryKind } from "../ledger/entry.ts";
import type { Revocation } from "../ledger/claim.ts";
import type { Hold } from "../ledger/hold.ts";
import type { Micros } from "../ledger/time.ts";
import { cut } from "./allocations.ts";
import {
  type BookedHold,
  type BookedLot,
  type Books,
  emptyBooks,
  mayTake,
  post,
  type Posting,
  postingOf,
  repaying,
} from "./books.ts";
import { flawOfClosedHold, flawOfHoldAfter, flawOfHoldTime } from "./holds.ts";
import { flawOfRefund, isDue, NEVER, type Refundable, refunding } from "./refunding.ts";
import { replayLimits, type Spent, spenderOf } from "./limits.ts";
import { splitRevoked } from "./revoking.ts";
import type { PolicyBooks } from "./policies.ts";
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
  readonly policies: PolicyBooks;
};

type KnownLot = {
  /** Undefined: it is neither in the account's row nor in the table, as closed lots are. */
  readonly stored: StoredLot | undefined;
  /** How many entries took from the lot whose refunds are still to come. */
  refundables: number;
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
    policies: new Map(),
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
  const spender = spenderOf(moves, entry);
  const { isReached, flaw: passed } = replayLimits(moves, entry);
  const { kind, sequence, refersTo } = entry;
  const hold = refersTo === null ? undefined : books.holds.get(refersTo);
  const posting = { ...postingOf(entry), mayStop: isReached };
  countRepaid(moves, posting);
  const flaw =
    (kind === "refund" ? flawOfRefund(moves, posting) : undefined) ??
    post(books, posting) ??
    flawOfTaking(books, entry) ??
    (hold && flawOfHold(moves, hold, entry)) ??
    passed;
  if (flaw !== undefined) return { sequence, what: flaw };

  if (books.lots.has(sequence)) moves.lots.set(sequence, { stored: step.lot, refundables: 0 });
  if (step.hold !== undefined) moves.holds.set(sequence, { ...step.hold, freezeTime: entry.time });
  if (kind === "refund") countRefund(moves, entry);
  if (step.refunded !== undefined) awaitRefunds(moves, { entry, spender }, step.refunded);
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
  if (entry.member !== hold.member) return `names another member than hold ${number}`;
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

/** Keeps the latest expiry of the lots from which an entry repays debt. */
function countRepaid(moves: Moves, posting: Entry & Posting<Micros | null>): void {
  const { kind, refersTo, repaid, expireTime } = posting;
  if (repaid === 0n) return;
  const { books } = moves;
  const expiries: (Micros | null)[] = [];
  if (kind === "recharge") expiries.push(expireTime);
  if (kind === "refund" && moves.refundables.has(refersTo!)) {
    const { back, renewed } = refunding(moves, posting);
    if (renewed > 0n) expiries.push(expireTime);
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

function countRefund(moves: Moves, { refersTo, points, uncovered }: Entry): void {
  const original = moves.refundables.get(refersTo!)!;
  original.refunded += points + uncovered;
  original.left -= points + uncovered;
  if (original.left > 0n) return;
  moves.refundables.delete(refersTo!);
  for (const lot of lotsOf(original)) moves.lots.get(lot)!.refundables -= 1;
  forgetEmpty(moves, lotsOf(original));
}

function awaitRefunds(
  moves: Moves,
  { entry, spender }: { readonly entry: Entry; readonly spender: Spent | undefined },
  left: bigint,
): void {
  const { kind, sequence, allocations, owed, uncovered, refersTo } = entry;
  const claims = kind === "revoke" && refersTo !== null && uncovered > 0n;
  const claim = claims ? { lot: refersTo, points: uncovered } : undefined;
  const refundable = { claim, owed, allocations, spender, refunded: 0n, left };
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
