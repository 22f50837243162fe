import type { Figures } from "../ledger/account.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Allocation } from "../ledger/lot.ts";

/**
 * An account's books, kept by posting its entries one by one: its figures, its lots and its open
 * holds. The books believe the entries about times, priorities and the order of lots, but never let
 * a lot or a hold give more than it has.
 *
 * `Expiry` is the caller's type of times: microseconds or null, or protobuf's Timestamp or undefined.
 */
export type Books<Expiry> = {
  readonly figures: { -readonly [Figure in keyof Figures]: bigint };
  /** All lots by number, empty ones too: a refund may give to them. */
  readonly lots: Map<bigint, BookedLot<Expiry>>;
  /** The open holds by number. */
  readonly holds: Map<bigint, BookedHold<Expiry>>;
};

/** What the entries so far leave in a lot, in points. */
export type BookedLot<Expiry> = {
  remaining: bigint;
  frozen: bigint;
  readonly priority: number;
  readonly expireTime: Expiry;
};

/** The points of an open hold, and the lots that they came from. */
export type BookedHold<Expiry> = {
  readonly points: bigint;
  readonly expireTime: NonNullable<Expiry>;
  readonly allocations: readonly Allocation[];
};

/** The part of an entry that is posted. */
export type Posting<Expiry> = Pick<
  Entry,
  "sequence" | "kind" | "points" | "allocations" | "returned" | "refersTo" | "priority"
> & { readonly expireTime: Expiry };

/** The books of an account before its first entry. */
export function emptyBooks<Expiry>(): Books<Expiry> {
  return { figures: { ...NOTHING }, lots: new Map(), holds: new Map() };
}

/**
 * Posts an entry to the books.
 *
 * @returns why it cannot follow from the entries before; then the books are not to be used any more
 */
export function post<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  const { kind, points, allocations } = entry;
  const sum = allocations.reduce((total, part) => total + part.points, 0n);
  if (sum !== points) return `moves ${points} points, its allocations ${sum}`;
  if (allocations.some((part) => part.points <= 0n)) return "has an empty allocation";
  const total = TOTALS[kind];
  if (total !== undefined) books.figures[total] += points;
  return move(books, entry);
}

/** Cuts allocations in two: their first `points` points, and the rest. */
export function cut(allocations: readonly Allocation[], points: bigint) {
  const first: Allocation[] = [];
  const rest: Allocation[] = [];
  let left = points;
  for (const { lot, points: all } of allocations) {
    const taken = all < left ? all : left;
    if (taken > 0n) first.push({ lot, points: taken });
    if (taken < all) rest.push({ lot, points: all - taken });
    left -= taken;
  }
  return { first, rest };
}

/** Whether two lists of allocations are the same, in the same order. */
export function sameAllocations(a: readonly Allocation[], b: readonly Allocation[]): boolean {
  const same = (part: Allocation, index: number) =>
    part.lot === b[index]?.lot && part.points === b[index].points;
  return a.length === b.length && a.every(same);
}

/** The total that a kind of entry counts in. */
const TOTALS = {
  recharge: "totalRecharged",
  consume: "totalConsumed",
  expire: "totalExpired",
  freeze: undefined,
  settle: "totalConsumed",
  release: undefined,
  refund: "totalRefunded",
} as const;

const NOTHING: Figures = {
  balance: 0n,
  frozen: 0n,
  totalRecharged: 0n,
  totalConsumed: 0n,
  totalExpired: 0n,
  totalRefunded: 0n,
};

function move<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  switch (entry.kind) {
    case "recharge":
      if (entry.allocations.length !== 1 || entry.allocations[0]!.lot !== entry.sequence) {
        return "recharges other lots than its own";
      }
      return give(books, entry);
    case "refund":
      return give(books, entry);
    case "consume":
    case "expire":
      return take(books, entry);
    case "freeze":
      return take(books, entry) ?? freeze(books, entry);
    case "settle":
    case "release":
      return close(books, entry);
  }
}

function take<Expiry>(
  { lots, figures }: Books<Expiry>,
  { allocations }: Posting<Expiry>,
): string | undefined {
  for (const { lot: number, points } of allocations) {
    const lot = lots.get(number);
    const remaining = lot?.remaining ?? 0n;
    if (lot === undefined || remaining < points) {
      return `takes ${points} points of lot ${number}, which has ${remaining}`;
    }
    lot.remaining -= points;
    figures.balance -= points;
  }
}

/** An allocation to the entry's own number makes a lot. */
function give<Expiry>(
  { lots, figures }: Books<Expiry>,
  entry: Posting<Expiry>,
): string | undefined {
  const { sequence, priority, expireTime } = entry;
  for (const { lot: number, points } of entry.allocations) {
    const made = { remaining: 0n, frozen: 0n, priority, expireTime };
    if (number === sequence && !lots.has(number)) lots.set(number, made);
    const lot = lots.get(number);
    if (lot === undefined) return `gives points to lot ${number}, which is missing`;
    lot.remaining += points;
    figures.balance += points;
  }
}

function freeze<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  const { sequence, points, allocations, expireTime } = entry;
  if (expireTime === null || expireTime === undefined) return "makes a hold that never expires";
  for (const part of allocations) books.lots.get(part.lot)!.frozen += part.points;
  books.figures.frozen += points;
  books.holds.set(sequence, { points, allocations, expireTime });
}

/** A settle spends the first points of the hold's allocations; all others go back to their lots. */
function close<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  const { lots, holds, figures } = books;
  const { kind, points, returned, refersTo, allocations } = entry;
  const hold = refersTo === null ? undefined : holds.get(refersTo);
  if (hold === undefined) return `${kind}s hold ${refersTo}, which is not open`;
  const settles = kind === "settle";
  if (settles && points + returned !== hold.points) {
    return `settles ${points} of ${hold.points} points and returns ${returned}`;
  }
  const { first: spent, rest: back } = cut(hold.allocations, settles ? points : 0n);
  if (!sameAllocations(allocations, settles ? spent : back)) {
    return `${settles ? "spends" : "releases"} other points than hold ${refersTo} has`;
  }
  for (const part of hold.allocations) lots.get(part.lot)!.frozen -= part.points;
  figures.frozen -= hold.points;
  for (const part of back) {
    lots.get(part.lot)!.remaining += part.points;
    figures.balance += part.points;
  }
  holds.delete(refersTo!);
}
