import { type Account, laterOf, min, roomOf } from "./account.ts";
import type { Shortfall } from "./command.ts";
import { claimedOf } from "./claim.ts";
import type { Draft } from "./journal.ts";
import { type Allocation, isDue, isScoped, type Lot, newLot, type Service } from "./lot.ts";
import { creditLineOf } from "./policy.ts";
import type { AccountState } from "./state.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";
import { usableFor } from "./usable.ts";

/** How a cost is paid. The three add up to it. */
export type Payment = {
  /** The points that come from the balance. */
  readonly taken: bigint;
  /** The points that become debt. */
  readonly owed: bigint;
  /** The points that are not paid. */
  readonly uncovered: bigint;
};

/** What is to be paid. */
type Cost = {
  readonly points: bigint;
  readonly service: Service;
  /** How much the account may owe; left out: as its policies say. */
  readonly creditLine?: bigint;
};

/** Pays a cost with what the account has for it; what it lacks goes by `onShortfall`. */
export function pay(
  state: AccountState,
  { points, service, creditLine = creditLineOf(state.policies) }: Cost,
  onShortfall: Shortfall,
): Payment {
  const usable = usableFor(state, service);
  if (points <= usable) return { taken: points, owed: 0n, uncovered: 0n };
  const lacking = points - usable;
  const owed = onShortfall === "owe" ? min(lacking, creditOf(state.account, creditLine)) : 0n;
  return { taken: usable, owed, uncovered: lacking - owed };
}

/** How much more an account may owe. */
function creditOf(account: Account, creditLine: bigint): bigint {
  const left = creditLine - account.debt;
  return left <= 0n ? 0n : min(left, roomOf(account));
}

/** Who owes, and the lots to which points come back. */
type Debtor = Pick<AccountState, "repaidUntil" | "revoked"> & {
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
 * Repays debt from points that come back to lots: from the first of them on, but for those that claims
 * on the lots take, those of lots past their time, which expire, and those of lots that only some
 * services may take.
 *
 * @param parts each lot once
 */
export function repay(debtor: Debtor, parts: readonly Allocation[]): Repayment {
  let { debt: left, repaidUntil } = debtor;
  if (left === 0n) return { kept: parts, spent: [], repaid: 0n, repaidUntil };
  const kept: Allocation[] = [];
  const spent: Allocation[] = [];
  for (const part of parts) {
    const { lot: number, points } = part;
    const lot = debtor.lotOf(number);
    const free = points - claimedOf(debtor.revoked, part);
    const paid = isDue(lot, debtor.now) || isScoped(lot) ? 0n : min(free, left);
    left -= paid;
    if (paid > 0n) spent.push({ lot: number, points: paid });
    if (paid > 0n) repaidUntil = untilAfter(repaidUntil, lot.expireTime);
    if (paid < points) kept.push({ lot: number, points: points - paid });
  }
  return { kept, spent, repaid: debtor.debt - left, repaidUntil };
}

/** A new lot, the entry that makes it, and the debtor's `repaidUntil` after it. */
type Recharged = Pick<AccountState, "repaidUntil"> & { readonly lot: Lot; readonly entry: Draft };

/** Recharges points: a lot without services repays debt first. */
export function rechargeOf(
  { account, repaidUntil }: Pick<AccountState, "account" | "repaidUntil">,
  made: Omit<Lot, "number" | "remaining" | "frozen">,
): Recharged {
  const { points, priority, expireTime, category, services } = made;
  const number = account.sequence + 1n;
  const repaid = isScoped(made) ? 0n : min(account.debt, points);
  const remaining = points - repaid;
  const allocations = remaining === 0n ? [] : [{ lot: number, points: remaining }];
  const lot = { priority, expireTime, category, services };
  return {
    lot: { ...newLot({ ...lot, number, points }), remaining },
    entry: { ...lot, kind: "recharge", points, allocations, repaid },
    repaidUntil: repaid === 0n ? repaidUntil : untilAfter(repaidUntil, expireTime),
  };
}

/** The latest expiry of lots that repaid debt, after one that expires then has repaid some. */
export function untilAfter(before: Micros | null, expireTime: Micros | null): Micros {
  const until = expireTime ?? LAST_INSTANT;
  return before === null ? until : laterOf(before, until);
}
