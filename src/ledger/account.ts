import type { Micros } from "./time.ts";

/**
 * No total passes 2^53 - 1, so that clients whose numbers are doubles stay exact. It bounds all
 * points that ever came in, recharged and refunded together: all others are parts of that sum.
 */
export const MAX_TOTAL = 9_007_199_254_740_991n;

/** The most points that one command may move. */
export const MAX_POINTS = 1_000_000_000_000n;

/** The figures of an account. All are points, none is negative. */
export type Figures = {
  /** What can be spent now. */
  readonly balance: bigint;
  /** What holds have set aside. */
  readonly frozen: bigint;
  readonly totalRecharged: bigint;
  readonly totalConsumed: bigint;
  readonly totalExpired: bigint;
  readonly totalRefunded: bigint;
};

/** One user's points, as its last entry left them. */
export type Account = Figures & {
  readonly userId: string;
  /** The number of its entries, and of the last one. */
  readonly sequence: bigint;
  /** The last entry's hash, 32 bytes; zeros while there is none. */
  readonly hash: Uint8Array;
  readonly createTime: Micros;
  /** The time of the last entry; `createTime` while there is none. */
  readonly updateTime: Micros;
  /** Which row the store found it in, so that it need not search again. Here it is only passed on. */
  readonly row?: string | undefined;
};

/** Whether no total would be too large if so many points more came in. */
export function hasRoom({ totalRecharged, totalRefunded }: Figures, points: bigint): boolean {
  return totalRecharged + totalRefunded + points <= MAX_TOTAL;
}

/**
 * An account's time: the database's clock, but never before the account's last entry. A clock that
 * was set back must not write entries before those that are there.
 */
export function timeOf(account: Account | undefined, now: Micros): Micros {
  return account === undefined ? now : laterOf(now, account.updateTime);
}

/** The later of two instants. */
export function laterOf(a: Micros, b: Micros): Micros {
  return a > b ? a : b;
}

/** What the first entry's hash chains to. */
export const GENESIS_HASH: Uint8Array = new Uint8Array(32);

/** A new account without points. */
export function emptyAccount(userId: string, createTime: Micros): Account {
  return {
    userId,
    sequence: 0n,
    balance: 0n,
    frozen: 0n,
    totalRecharged: 0n,
    totalConsumed: 0n,
    totalExpired: 0n,
    totalRefunded: 0n,
    hash: GENESIS_HASH,
    createTime,
    updateTime: createTime,
  };
}
