import type { Entry } from "../ledger/entry.ts";
import type { Hold } from "../ledger/hold.ts";
import type { Allocation } from "../ledger/lot.ts";
import type { Micros } from "../ledger/time.ts";
import {
  type BookedHold,
  type BookedLot,
  type Books,
  cut,
  emptyBooks,
  post,
  sameAllocations,
} from "./books.ts";
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
  /** The rows of open holds. */
  readonly holds: Map<bigint, Hold>;
  /** The entries whose refunds are still to come, as their undone rows say. */
  readonly refundables: Map<bigint, Refundable>;
};

type KnownLot = {
  /** Undefined: it is neither in the account's row nor in the table, as closed lots are. */
  readonly stored: StoredLot | undefined;
  /** How many entries took from the lot whose refunds are still to come. */
  refundables: number;
};

/** An entry that took from lots, how much of it has been refunded so far, and how much will be. */
type Refundable = {
  readonly allocations: readonly Allocation[];
  refunded: bigint;
  left: bigint;
};

/** The moves of an account before its first entry. */
export function noMoves(): Moves {
  return { books: emptyBooks(), lots: new Map(), holds: new Map(), refundables: new Map() };
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
  const flaw =
    (kind === "refund" ? flawOfRefund(moves, entry) : undefined) ??
    post(books, entry) ??
    flawOfTaking(books, entry) ??
    (hold && flawOfClosing(hold, entry));
  if (flaw !== undefined) return { sequence, what: flaw };

  if (books.lots.has(sequence)) moves.lots.set(sequence, { stored: step.lot, refundables: 0 });
  if (step.hold !== undefined) moves.holds.set(sequence, step.hold);
  if (kind === "refund") countRefund(moves, entry);
  if (step.refunded !== undefined) awaitRefunds(moves, entry, step.refunded);
  forgetEmpty(moves, entry.allocations);
  return hold && endHold(moves, hold, entry);
}

/** Spending and freezing take live lots, in burn order. */
function flawOfTaking({ lots }: Moves["books"], entry: Entry): string | undefined {
  const { kind, allocations, time } = entry;
  if (kind !== "consume" && kind !== "freeze") return undefined;
  const taken = allocations.map(({ lot }) => lot);
  for (const number of taken) {
    if (isDue(lots.get(number)!, time)) return `takes of lot ${number} past its time`;
  }
  const burnsFirst = (a: bigint, b: bigint) => burnsBefore([a, lots.get(a)!], [b, lots.get(b)!]);
  if (taken.some((number, index) => index > 0 && !burnsFirst(taken[index - 1]!, number))) {
    return "takes of its lots in another order than they burn in";
  }
  const last = taken.at(-1);
  if (last === undefined) return undefined;
  for (const [number, { remaining }] of lots) {
    if (remaining > 0n && burnsFirst(number, last)) {
      return `takes of lot ${last}, though lot ${number} burns before it`;
    }
  }
}

type NumberedLot = readonly [bigint, Pick<BookedLot<Micros | null>, "priority" | "expireTime">];

/** Burn order: lower priority, then earlier expiry with never as the last, then lower number. */
export function burnsBefore([a, lotA]: NumberedLot, [b, lotB]: NumberedLot): boolean {
  if (lotA.priority !== lotB.priority) return lotA.priority < lotB.priority;
  if (lotA.expireTime === lotB.expireTime) return a < b;
  if (lotA.expireTime === null || lotB.expireTime === null) return lotB.expireTime === null;
  return lotA.expireTime < lotB.expireTime;
}

/** A lot is dead from the microsecond of its expiry on. */
function isDue({ expireTime }: BookedLot<Micros | null>, now: Micros): boolean {
  return expireTime !== null && expireTime <= now;
}

/** From a hold's time on, only the ledger itself closes it: by a release at that very instant. */
function flawOfClosing({ expireTime }: BookedHold<Micros | null>, entry: Entry) {
  const { kind, refersTo, time, request, metadata } = entry;
  if (expireTime > time) return undefined;
  if (kind === "settle") return `settles hold ${refersTo} past its time`;
  if (request !== undefined || metadata.size > 0) {
    return `is a caller's release of hold ${refersTo} past its time`;
  }
  if (expireTime === time) return undefined;
  return `releases hold ${refersTo} at another instant than its time`;
}

/** Compares a hold's row with the entry that closed it. */
function endHold(
  { holds }: Moves,
  { expireTime }: BookedHold<Micros | null>,
  { kind, sequence, refersTo, points, time }: Entry,
): Flaw | undefined {
  const { number, status: is, settled } = holds.get(refersTo!)!;
  holds.delete(number);
  const unspent = expireTime <= time ? "expired" : "released";
  const status = kind === "settle" ? "settled" : unspent;
  const spent = kind === "settle" ? points : 0n;
  if (is === status && settled === spent) return undefined;
  const what =
    `its hold is ${is} with ${settled} settled, ` +
    `entry ${sequence} made it ${status} with ${spent}`;
  return { sequence: number, what };
}

/**
 * A refund gives back the points that its entry took last. Those of dead lots become one new lot,
 * if it makes one, of the lowest priority of those lots; the others go back where they came from.
 */
function flawOfRefund({ books, refundables }: Moves, entry: Entry): string | undefined {
  const { sequence, points, allocations, refersTo, priority, time, expireTime } = entry;
  const original = refersTo === null ? undefined : refundables.get(refersTo);
  if (original === undefined || points > original.left) {
    const left = original?.left ?? 0n;
    return `refunds ${points} points of entry ${refersTo}, of which its undone row leaves ${left}`;
  }
  const makesLot = allocations.some(({ lot }) => lot === sequence);
  const { rest } = cut(original.allocations.toReversed(), original.refunded);
  const { first: back } = cut(rest, points);
  const dead = back.filter(({ lot }) => makesLot && isDue(books.lots.get(lot)!, time));
  const reissued = dead.reduce((sum, part) => sum + part.points, 0n);
  const expected = back.filter((part) => !dead.includes(part));
  if (reissued > 0n) expected.push({ lot: sequence, points: reissued });
  if (!sameAllocations(allocations, expected)) {
    return `gives back to other lots than entry ${refersTo} took from`;
  }
  if (!makesLot && expireTime !== null) return "has an expiry, and made no lot";
  const priorities = dead.map(({ lot }) => books.lots.get(lot)!.priority);
  const lowest = priorities.length === 0 ? 0 : Math.min(...priorities);
  if (priority !== lowest) return `has priority ${priority}, and not ${lowest}`;
  if (makesLot && expireTime === null) return "makes points that expired permanent";
}

function countRefund(moves: Moves, { refersTo, points }: Entry): void {
  const original = moves.refundables.get(refersTo!)!;
  original.refunded += points;
  original.left -= points;
  if (original.left > 0n) return;
  moves.refundables.delete(refersTo!);
  for (const { lot } of original.allocations) moves.lots.get(lot)!.refundables -= 1;
  forgetEmpty(moves, original.allocations);
}

function awaitRefunds(moves: Moves, { sequence, allocations }: Entry, left: bigint): void {
  moves.refundables.set(sequence, { allocations, refunded: 0n, left });
  for (const { lot } of allocations) moves.lots.get(lot)!.refundables += 1;
}

/**
 * Bounds the memory: of an account with a million entries most lots are empty for good. A lot is
 * forgotten when it is empty, is not stored, and no refund is to come. If a later entry wants
 * something of it, that entry is wrong.
 */
function forgetEmpty(moves: Moves, allocations: readonly Allocation[]): void {
  for (const { lot: number } of allocations) {
    const lot = moves.lots.get(number);
    if (lot === undefined || lot.refundables > 0 || lot.stored !== undefined) continue;
    const { remaining, frozen } = moves.books.lots.get(number)!;
    if (remaining + frozen > 0n) continue;
    moves.lots.delete(number);
    moves.books.lots.delete(number);
  }
}
