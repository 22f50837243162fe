import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Allocation, type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { sumPoints } from "../ledger/lot.ts";
import { BadLine } from "./bad-line.ts";

/** Where the entries of one account lead, as far as they have been read. */
export type Fold = {
  readonly userId: string;
  sequence: bigint;
  balance: bigint;
  frozen: bigint;
  recharged: bigint;
  consumed: bigint;
  expired: bigint;
  refunded: bigint;
  /** The last entry's hash, which stands for all entries up to it. */
  hash: Uint8Array;
  /** All lots, the spent ones too: a refund may give to them. */
  readonly lots: Map<bigint, FoldedLot>;
  /** The open holds. */
  readonly holds: Map<bigint, FoldedHold>;
};

export type FoldedLot = {
  remaining: bigint;
  readonly priority: number;
  readonly expireTime: Timestamp | undefined;
};

export type FoldedHold = {
  readonly points: bigint;
  readonly expireTime: Timestamp;
  readonly allocations: readonly Allocation[];
};

/** An account before its first entry. */
export function startFold(userId: string): Fold {
  return {
    userId,
    sequence: 0n,
    balance: 0n,
    frozen: 0n,
    recharged: 0n,
    consumed: 0n,
    expired: 0n,
    refunded: 0n,
    hash: new Uint8Array(),
    lots: new Map(),
    holds: new Map(),
  };
}

/**
 * Takes the account one entry further.
 *
 * @throws {BadLine} if the entry does not follow from those before; then the fold is of no use
 */
export function foldEntry(fold: Fold, entry: Entry): void {
  const { sequence, balanceAfter, frozenAfter } = entry;
  if (sequence !== fold.sequence + 1n) {
    throw new BadLine(`entry ${fold.sequence + 1n} of ${fold.userId} is missing`);
  }
  const moved = sumPoints(entry.allocations);
  if (moved !== entry.points) {
    throw new BadLine(
      `entry ${sequence} of ${fold.userId} moves ${entry.points} points, its allocations ${moved}`,
    );
  }
  move(fold, entry);
  if (fold.balance !== balanceAfter || fold.frozen !== frozenAfter) {
    throw new BadLine(
      `entry ${sequence} of ${fold.userId} leaves balance ${balanceAfter} and frozen ` +
        `${frozenAfter}, the entries so far ${fold.balance} and ${fold.frozen}`,
    );
  }
  fold.sequence = sequence;
  fold.hash = entry.hash;
}

function move(fold: Fold, entry: Entry): void {
  const { kind, points, allocations } = entry;
  switch (kind) {
    case EntryKind.RECHARGE:
      fold.recharged += points;
      return give(fold, entry, allocations);
    case EntryKind.CONSUME:
      fold.consumed += points;
      return take(fold, entry);
    case EntryKind.EXPIRE:
      fold.expired += points;
      return take(fold, entry);
    case EntryKind.FREEZE:
      if (entry.expireTime === undefined) throw new BadLine(`a hold of ${fold.userId} has no time`);
      fold.frozen += points;
      take(fold, entry);
      fold.holds.set(entry.sequence, { points, allocations, expireTime: entry.expireTime });
      return;
    case EntryKind.SETTLE:
      fold.consumed += points;
      return close(fold, entry, points);
    case EntryKind.RELEASE:
      return close(fold, entry, 0n);
    case EntryKind.REFUND:
      fold.refunded += points;
      return give(fold, entry, allocations);
    case EntryKind.UNSPECIFIED:
      throw new BadLine(`entry ${entry.sequence} of ${fold.userId} has no kind`);
  }
}

function take(fold: Fold, { allocations }: Entry): void {
  for (const { lot: number, points } of allocations) {
    lotOf(fold, number).remaining -= points;
    fold.balance -= points;
  }
}

function give(fold: Fold, entry: Entry, allocations: readonly Allocation[]): void {
  const { sequence, priority, expireTime } = entry;
  for (const { lot: number, points } of allocations) {
    if (number === sequence) fold.lots.set(number, { remaining: 0n, priority, expireTime });
    lotOf(fold, number).remaining += points;
    fold.balance += points;
  }
}

/** What was spent comes first in the order of the hold's allocations; the rest goes back. */
function close(fold: Fold, entry: Entry, spent: bigint): void {
  const hold = fold.holds.get(entry.refersTo);
  if (hold === undefined) {
    throw new BadLine(`hold ${entry.refersTo} of ${fold.userId} is missing, or was closed before`);
  }
  let left = spent;
  for (const { lot: number, points } of hold.allocations) {
    const cut = points < left ? points : left;
    left -= cut;
    lotOf(fold, number).remaining += points - cut;
    fold.balance += points - cut;
  }
  fold.frozen -= hold.points;
  fold.holds.delete(entry.refersTo);
}

function lotOf({ lots, userId }: Fold, number: bigint): FoldedLot {
  const lot = lots.get(number);
  if (lot === undefined) throw new BadLine(`lot ${number} of ${userId} is missing`);
  return lot;
}
