import type { Micros } from "./time.ts";

/**
 * The limit of all points that ever came in, recharged, refunded and owed: 2^53 - 1. Every other
 * total is a part of that sum, so clients whose numbers are doubles read all totals exactly.
 */
export const MAX_TOTAL = 9_007_199_254_740_991n;

/** The most points that one command may move. */
export const MAX_POINTS = 1_000_000_000_000n;

/** The figures of an account. All are points, none is negative. */
export type Figures = {
  /** The points that can be spent now. */
  readonly balance: bigint;
  /** The points that holds have set aside. */
  readonly frozen: bigint;
  readonly totalRecharged: bigint;
  readonly totalConsumed: bigint;
  readonly totalExpired: bigint;
  readonly totalRefunded: bigint;
  readonly totalRevoked: bigint;
  /** The points that were spent though nobody had them. */
  readonly debt: bigint;
};

/** One user's points, as the last entry left them. */
export type Account = Figures & {
  readonly userId: string;
  /** The number of entries, which is also the last entry's sequence. */
  readonly sequence: bigint;
  /** The last entry's hash, 32 bytes; zeros while there is no entry. */
  readonly hash: Uint8Array;
  /** 16 random bytes, made with the account: see `personalDigestOf`. */
  readonly salt: Uint8Array;
  readonly createTime: Micros;
  /** The time of the last entry; `createTime` while there is no entry. */
  readonly updateTime: Micros;
};

/** Whether the account can take in this many more points without passing MAX_TOTAL. */
export function hasRoom(figures: Figures, points: bigint): boolean {
  return points <= roomOf(figures);
}

/** How many more points the account can take in. */
export function roomOf({ totalRecharged, totalRefunded, debt }: Figures): bigint {
  return MAX_TOTAL - totalRecharged - totalRefunded - debt;
}

/**
 * An account's time: the database's clock, but never before the account's last entry. If the clock
 * was set back, new entries must not come before existing ones.
 */
export function timeOf(account: Account | undefined, now: Micros): Micros {
  return account === undefined ? now : laterOf(now, account.updateTime);
}

/** The later of two instants. */
export function laterOf(a: Micros, b: Micros): Micros {
  return a > b ? a : b;
}

/** The lesser of two numbers of points. */
export function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The hash that the first entry chains to. */
export const GENESIS_HASH: Uint8Array = new Uint8Array(32);

/** A new account without points. */
export function emptyAccount(
  userId: string,
  { salt, createTime }: Pick<Account, "salt" | "createTime">,
): Account {
  return {
    userId,
    sequence: 0n,
    balance: 0n,
    frozen: 0n,
    totalRecharged: 0n,
    totalConsumed: 0n,
    totalExpired: 0n,
    totalRefunded: 0n,
    totalRevoked: 0n,
    debt: 0n,
    hash: GENESIS_HASH,
    salt,
    createTime,
    updateTime: createTime,
  };
}
