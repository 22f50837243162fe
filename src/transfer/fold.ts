import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import {
  type BookedHold,
  type BookedLot,
  type Books,
  emptyBooks,
  post,
  type Posting,
} from "../verify/books.ts";
import { BadLine } from "./bad-line.ts";
import { type FoldedPolicies, foldPolicies } from "./policies.ts";

type Expiry = Timestamp | undefined;

/** The state that the entries of one account lead to, as far as they have been read. */
export type Fold = {
  readonly userId: string;
  sequence: bigint;
  consumed: bigint;
  expired: bigint;
  refunded: bigint;
  /** The last entry's hash, which stands for all entries up to it. */
  hash: Uint8Array;
  /** All lots, the spent ones too: a refund may give to them. */
  readonly lots: ReadonlyMap<bigint, FoldedLot>;
  /** The open holds. */
  readonly holds: ReadonlyMap<bigint, FoldedHold>;
  readonly books: Books<Expiry>;
  readonly policies: FoldedPolicies;
  /** Of the last entry. */
  time: Timestamp | undefined;
};

export type FoldedLot = Omit<BookedLot<Expiry>, "frozen">;

export type FoldedHold = BookedHold<Expiry>;

/** An account before its first entry. */
export function startFold(userId: string): Fold {
  const books = emptyBooks<Expiry>();
  const { lots, holds } = books;
  const figures = { consumed: 0n, expired: 0n, refunded: 0n };
  const last = { hash: new Uint8Array(), time: undefined };
  return { userId, sequence: 0n, ...figures, ...last, lots, holds, books, policies: new Map() };
}

/**
 * Takes the account one entry further.
 *
 * @throws {BadLine} if the entry does not follow from those before; then the fold is of no use
 */
export function foldEntry(fold: Fold, entry: Entry): void {
  const { sequence, balanceAfter, frozenAfter, refersTo, expireTime } = entry;
  const { userId, books } = fold;
  if (sequence !== fold.sequence + 1n) {
    throw new BadLine(`entry ${fold.sequence + 1n} of ${userId} is missing`);
  }
  const kind = KINDS[entry.kind];
  if (kind === undefined) throw new BadLine(`entry ${sequence} of ${userId} has no kind`);
  const flaw = post(books, {
    ...entry,
    kind,
    // A limit may have stopped it.
    mayStop: true,
    refersTo: refersTo === 0n ? null : refersTo,
    expireTime,
    isPast: (expiry) => expiry !== undefined && !isAfter(expiry, entry.createTime!),
  });
  if (flaw !== undefined) throw new BadLine(`entry ${sequence} of ${userId} ${flaw}`);
  const { balance, frozen, totalConsumed, totalExpired, totalRefunded } = books.figures;
  if (balance !== balanceAfter || frozen !== frozenAfter) {
    throw new BadLine(
      `entry ${sequence} of ${userId} leaves balance ${balanceAfter} and frozen ${frozenAfter}, ` +
        `the entries so far ${balance} and ${frozen}`,
    );
  }
  fold.sequence = sequence;
  fold.consumed = totalConsumed;
  fold.expired = totalExpired;
  fold.refunded = totalRefunded;
  fold.hash = entry.hash;
  fold.time = entry.createTime;
  foldPolicies(fold.policies, entry);
}

/** A newer server may have kinds that this version does not know. */
const KINDS: Record<EntryKind, Posting<Expiry>["kind"] | undefined> = {
  [EntryKind.UNSPECIFIED]: undefined,
  [EntryKind.RECHARGE]: "recharge",
  [EntryKind.CONSUME]: "consume",
  [EntryKind.EXPIRE]: "expire",
  [EntryKind.FREEZE]: "freeze",
  [EntryKind.SETTLE]: "settle",
  [EntryKind.RELEASE]: "release",
  [EntryKind.REFUND]: "refund",
  [EntryKind.REVOKE]: "revoke",
  [EntryKind.EXTEND]: "extend",
  [EntryKind.SET_POLICY]: "setPolicy",
  [EntryKind.ERASE]: "erase",
};

function isAfter(one: Timestamp, other: Timestamp): boolean {
  return one.seconds === other.seconds ? one.nanos > other.nanos : one.seconds > other.seconds;
}
