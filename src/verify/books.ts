import type { Figures } from "../ledger/account.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Allocation } from "../ledger/lot.ts";
import type { Micros } from "../ledger/time.ts";
import { cut, lower, merged, sameAllocations, sumOf } from "./allocations.ts";
import {
  type BookedRevocation,
  claimedOf,
  endClaim,
  flawOfClaims,
  noteComeBack,
  noteRevoked,
} from "./revoking.ts";

/**
 * An account's books, kept by posting its entries one by one: its figures, its lots and its open
 * holds. The books believe the entries about times, priorities and the order of lots, but never let
 * a lot or a hold give more than it has, nor debt be more or less than the entries make it.
 *
 * `Expiry` is the caller's type of times: microseconds or null, or protobuf's Timestamp or undefined.
 */
export type Books<Expiry> = {
  readonly figures: { -readonly [Figure in keyof Figures]: bigint };
  /** All lots by number, empty ones too: a refund may give to them. */
  readonly lots: Map<bigint, BookedLot<Expiry>>;
  /** The open holds by number. */
  readonly holds: Map<bigint, BookedHold<Expiry>>;
  /** What was revoked of lots, by number. */
  readonly revocations: Map<bigint, BookedRevocation>;
  /** The lots of which REVOKE entries claim something, by the entries' sequences. */
  readonly claimants: Map<bigint, bigint>;
  /** The lots with an open claim to which the last entries gave something back. */
  readonly cameBack: Set<bigint>;
};

/** What the entries so far leave in a lot, in points. */
export type BookedLot<Expiry> = {
  /** The points that it was made with. */
  readonly points: bigint;
  remaining: bigint;
  frozen: bigint;
  readonly priority: number;
  readonly expireTime: Expiry;
  readonly category: string;
  /** Only usage of these may take of it; empty: anything may. */
  readonly services: readonly string[];
};

/** What the entries so far leave in an open hold. */
export type BookedHold<Expiry> = {
  /** The points that it still has, and the lots that they came from, each lot once. */
  readonly points: bigint;
  readonly allocations: readonly Allocation[];
  /** The points that were spent of it. */
  readonly settled: bigint;
  readonly expireTime: NonNullable<Expiry>;
  /** Undefined: it was made by points. */
  readonly service: string | undefined;
  readonly member: string;
};

/** The part of an entry that is posted. */
export type Posting<Expiry> = Pick<
  Entry,
  | "sequence"
  | "kind"
  | "points"
  | "allocations"
  | "returned"
  | "refersTo"
  | "priority"
  | "category"
  | "services"
  | "owed"
  | "uncovered"
  | "repaid"
  | "fromBalance"
  | "keptOpen"
  | "fromClaim"
  | "member"
> & {
  readonly expireTime: Expiry;
  readonly usage?: { readonly service: string } | null | undefined;
  /** Whether what expires then is past its time when the entry is made. */
  readonly isPast: (expiry: Expiry) => boolean;
  /** Whether a limit may have stopped it before all points were taken. */
  readonly mayStop?: boolean;
};

/** An entry of the ledger, to be posted. */
export function postingOf(entry: Entry): Entry & Posting<Micros | null> {
  return { ...entry, isPast: (expiry) => expiry !== null && expiry <= entry.time };
}

/** The books of an account before its first entry. */
export function emptyBooks<Expiry>(): Books<Expiry> {
  return {
    figures: { ...NOTHING },
    lots: new Map(),
    holds: new Map(),
    revocations: new Map(),
    claimants: new Map(),
    cameBack: new Set(),
  };
}

/**
 * Posts an entry to the books.
 *
 * @returns why it cannot follow from the entries before; then the books are not to be used any more
 */
export function post<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  const { kind, points, allocations, owed, repaid } = entry;
  const { figures } = books;
  // What a settle repays is of what it returned.
  const beside = kind === "settle" ? owed : owed + repaid;
  const sum = sumOf(allocations);
  if (sum + beside !== points) {
    return `moves ${points} points, its allocations ${sum}` + (beside > 0n ? ` and ${beside}` : "");
  }
  if (allocations.some((part) => part.points <= 0n)) return "has an empty allocation";
  const early = entry.fromClaim ? undefined : flawOfClaims(books);
  if (early !== undefined) return early;
  const total = TOTALS[kind];
  if (total !== undefined) figures[total] += points;
  const flaw = move(books, entry);
  if (flaw !== undefined) return flaw;
  if (repaid > figures.debt) return `repays ${repaid} points of a debt of ${figures.debt}`;
  figures.debt += owed - repaid;
  if (kind === "refund" || owed + entry.uncovered === 0n) return undefined;
  if (owed === 0n && entry.mayStop === true) return undefined;
  for (const [number, lot] of books.lots) {
    if (lot.remaining > 0n && mayTake(entry, number, lot)) {
      return `lacks points, and leaves some in lot ${number}`;
    }
  }
}

/**
 * Whether an entry takes of a lot in burn order. A revocation of points takes of any; one of a lot takes
 * of others only what becomes debt else.
 */
export function mayTake<Expiry>(
  entry: Posting<Expiry>,
  number: bigint,
  lot: Pick<BookedLot<Expiry>, "services">,
): boolean {
  const { kind, refersTo, uncovered } = entry;
  if (kind !== "revoke") return isFor(lot, entry);
  if (refersTo === null || number === refersTo) return true;
  return uncovered === 0n && lot.services.length === 0;
}

/** Lots with services are for usage of these alone. */
export function isFor(
  { services }: Pick<BookedLot<unknown>, "services">,
  { usage }: { readonly usage?: { readonly service: string } | null | undefined },
): boolean {
  return services.length === 0 || (usage != null && services.includes(usage.service));
}

/**
 * What of points that come back to lots repays a debt: the first of them, but for those that are claimed,
 * those of dead lots, and of lots for some services.
 */
export function repaying<Expiry>(
  books: Books<Expiry>,
  { isPast }: Posting<Expiry>,
  parts: readonly Allocation[],
  { debt, ended }: { debt: bigint; ended?: Allocation | undefined } = books.figures,
) {
  const { lots } = books;
  const claims = new Map<bigint, bigint>();
  let left = debt;
  const spent: Allocation[] = [];
  const kept: Allocation[] = [];
  for (const { lot, points } of parts) {
    const { expireTime, services } = lots.get(lot)!;
    const claim =
      claims.get(lot) ?? claimedOf(books, lot) - (lot === ended?.lot ? ended.points : 0n);
    const claimed = lower(claim, points);
    claims.set(lot, claim - claimed);
    const most = isPast(expireTime) || services.length > 0 ? 0n : left;
    const paid = lower(points - claimed, most);
    left -= paid;
    if (paid > 0n) spent.push({ lot, points: paid });
    if (paid < points) kept.push({ lot, points: points - paid });
  }
  return { spent, kept, repaid: debt - left };
}

/** The total that a kind of entry counts in. */
const TOTALS = {
  recharge: "totalRecharged",
  consume: "totalConsumed",
  expire: "totalExpired",
  freeze: undefined,
  settle: "totalConsumed",
  extend: undefined,
  release: undefined,
  refund: "totalRefunded",
  revoke: "totalRevoked",
  setPolicy: undefined,
  erase: undefined,
} as const;

const NOTHING: Figures = {
  balance: 0n,
  frozen: 0n,
  totalRecharged: 0n,
  totalConsumed: 0n,
  totalExpired: 0n,
  totalRefunded: 0n,
  totalRevoked: 0n,
  debt: 0n,
};

function move<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  switch (entry.kind) {
    case "recharge": {
      if (entry.allocations.some(({ lot }) => lot !== entry.sequence)) {
        return "recharges other lots than its own";
      }
      const may = entry.services.length > 0 ? 0n : entry.points;
      if (entry.repaid !== lower(may, books.figures.debt)) {
        return `repays ${entry.repaid} points of a debt of ${books.figures.debt}`;
      }
      return give(books, entry);
    }
    case "refund":
      return endClaim(books, entry) ?? give(books, entry);
    case "revoke":
      return noteRevoked(books, entry) ?? take(books, entry);
    case "consume":
    case "expire":
      return take(books, entry);
    case "freeze":
      return take(books, entry) ?? freeze(books, entry);
    case "extend":
      return take(books, entry) ?? extend(books, entry);
    case "settle":
    case "release":
      return spendHold(books, entry);
    case "setPolicy":
    case "erase":
      return undefined;
  }
}

function take<Expiry>(
  { lots, figures }: Books<Expiry>,
  { allocations }: Pick<Posting<Expiry>, "allocations">,
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

/** A recharge makes a lot, and so does a refund by an allocation to its own number. */
function give<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  const { lots, figures } = books;
  const { kind, sequence, allocations, priority, expireTime, category, services } = entry;
  const own = allocations.find(({ lot }) => lot === sequence)?.points;
  // Some of a recharge may repay debt, or all of it.
  const points = kind === "recharge" ? entry.points : own;
  if (points !== undefined) {
    const made = { points, remaining: 0n, frozen: 0n, priority, expireTime, category, services };
    lots.set(sequence, made);
  }
  for (const { lot: number, points: given } of allocations) {
    const lot = lots.get(number);
    if (lot === undefined) return `gives points to lot ${number}, which is missing`;
    lot.remaining += given;
    figures.balance += given;
  }
  noteComeBack(books, allocations);
}

function freeze<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  const { sequence, points, allocations, expireTime, usage, member } = entry;
  if (expireTime === null || expireTime === undefined) return "makes a hold that never expires";
  for (const part of allocations) books.lots.get(part.lot)!.frozen += part.points;
  books.figures.frozen += points;
  const service = usage?.service;
  books.holds.set(sequence, { points, allocations, settled: 0n, expireTime, service, member });
}

function extend<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  const { points, allocations, expireTime, refersTo, usage } = entry;
  const hold = refersTo === null ? undefined : books.holds.get(refersTo);
  if (hold === undefined) return `extends hold ${refersTo}, which is not open`;
  if (expireTime === null || expireTime === undefined) return "makes a hold that never expires";
  if (usage != null && hold.service !== undefined && usage.service !== hold.service) {
    return `extends hold ${refersTo} by a use of another service`;
  }
  for (const part of allocations) books.lots.get(part.lot)!.frozen += part.points;
  books.figures.frozen += points;
  books.holds.set(refersTo!, {
    ...hold,
    points: hold.points + points,
    // A hold that gets no points may have thousands of lots.
    allocations:
      allocations.length === 0 ? hold.allocations : merged([...hold.allocations, ...allocations]),
    expireTime,
  });
}

/**
 * A settle spends the first points of what the hold still has, and then of the balance. The others of
 * the hold go back to their lots, but for those that repay debt; or it keeps them, if it stays open.
 */
function spendHold<Expiry>(books: Books<Expiry>, entry: Posting<Expiry>): string | undefined {
  const { lots, holds, figures } = books;
  const { kind, points, returned, refersTo, allocations, owed, fromBalance } = entry;
  const hold = refersTo === null ? undefined : holds.get(refersTo);
  if (hold === undefined) return `${kind}s hold ${refersTo}, which is not open`;
  const settles = kind === "settle";
  const ofHold = settles ? points - owed - fromBalance : 0n;
  const staysOpen = settles && entry.keptOpen;
  const { usage } = entry;
  if (usage != null && hold.service !== undefined && usage.service !== hold.service) {
    return `settles hold ${refersTo} by a use of another service`;
  }
  if (fromBalance + owed + entry.uncovered > 0n && ofHold < hold.points) {
    return `goes beyond hold ${refersTo}, which has points left`;
  }
  const left = hold.points - ofHold;
  if (left < 0n || (settles && returned !== (staysOpen ? 0n : left))) {
    return `settles ${ofHold} of ${hold.points} points and returns ${returned}`;
  }
  const { first: spent, rest } = cut(hold.allocations, ofHold);
  const back = repaying(books, entry, staysOpen ? [] : rest);
  const { first, rest: beside } = cut(allocations, settles ? ofHold : points);
  if (!sameAllocations(first, settles ? spent : back.kept)) {
    return `${settles ? "spends" : "releases"} other points than hold ${refersTo} has`;
  }
  if (back.repaid !== entry.repaid) return `repays ${entry.repaid} points and not ${back.repaid}`;
  const gone = staysOpen ? spent : hold.allocations;
  for (const part of gone) lots.get(part.lot)!.frozen -= part.points;
  figures.frozen -= sumOf(gone);
  for (const part of back.kept) {
    lots.get(part.lot)!.remaining += part.points;
    figures.balance += part.points;
  }
  noteComeBack(books, back.kept);
  const settled = hold.settled + ofHold;
  if (staysOpen) holds.set(refersTo!, { ...hold, points: left, allocations: rest, settled });
  else holds.delete(refersTo!);
  return take(books, { allocations: beside });
}
