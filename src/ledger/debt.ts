import { type Account, laterOf, roomOf } from "./account.ts";
import type { Shortfall } from "./command.ts";
import { type Allocation, isDue, type Lot, sumPoints } from "./lot.ts";
import type { AccountState } from "./state.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";

/** How a cost is paid. The three add up to it. */
export type Payment = {
  /** The points that come from the balance. */
  readonly taken: bigint;
  /** The points that become debt. */
  readonly owed: bigint;
  /** The points that are not paid. */
  readonly uncovered: bigint;
};

/** Pays a cost with what the balance has; what it lacks goes by `onShortfall`. */
export function pay(account: Account, points: bigint, onShortfall: Shortfall): Payment {
  const { balance } = account;
  if (points <= balance) return { taken: points, owed: 0n, uncovered: 0n };
  const lacking = points - balance;
  const owed = onShortfall.kind === "owe" ? min(lacking, creditOf(account, onShortfall)) : 0n;
  return { taken: balance, owed, uncovered: lacking - owed };
}

/** How much more an account may owe. */
function creditOf(account: Account, { creditLine }: { readonly creditLine: bigint }): bigint {
  const left = creditLine - account.debt;
  return left <= 0n ? 0n : min(left, roomOf(account));
}

/** Who owes, and the lots to which points come back. */
type Debtor = Pick<AccountState, "repaidUntil"> & {
  readonly debt: bigint;
  readonly lotOf: (number: bigint) => Lot;
  readonly now: Micros;
};

/** Points that come back to lots, after debt was repaid from them. */
export type Repayment = {
  /** What goes to the balance. */
  readonly kept: readonly Allocation[];
  /** What repays debt. */
  readonly spent: readonly Allocation[];
  /** The points of the latter. */
  readonly repaid: bigint;
  /** See `AccountState`. */
  readonly repaidUntil: Micros | null;
};

/**
 * Repays debt from points that come back to lots: from the first of them on, but for those of lots
 * past their time, which expire.
 */
export function repay(debtor: Debtor, parts: readonly Allocation[]): Repayment {
  let { debt: left, repaidUntil } = debtor;
  if (left === 0n) return { kept: parts, spent: [], repaid: 0n, repaidUntil };
  const kept: Allocation[] = [];
  const spent: Allocation[] = [];
  for (const { lot: number, points } of parts) {
    const lot = debtor.lotOf(number);
    const paid = isDue(lot, debtor.now) ? 0n : min(points, left);
    left -= paid;
    if (paid > 0n) spent.push({ lot: number, points: paid });
    if (paid > 0n) repaidUntil = untilAfter(repaidUntil, lot.expireTime);
    if (paid < points) kept.push({ lot: number, points: points - paid });
  }
  return { kept, spent, repaid: sumPoints(spent), repaidUntil };
}

/** The latest expiry of lots that repaid debt, after one that expires then has repaid some. */
export function untilAfter(before: Micros | null, expireTime: Micros | null): Micros {
  const until = expireTime ?? LAST_INSTANT;
  return before === null ? until : laterOf(before, until);
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
