import { type Account, hasRoom } from "./account.ts";
import { periodAt, periodStart } from "./calendar.ts";
import { isScoped, MAX_OPEN_LOTS } from "./lot.ts";
import type { Allowance, NextPeriod, PolicyState } from "./policy.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";

/** The first period of an allowance that begins at an instant or after; null: its first of all. */
export function periodFrom(allowance: Allowance, notBefore: Micros | null): NextPeriod {
  return nextPeriod(allowance, notBefore === null ? 0 : periodAt(allowance, notBefore - 1n) + 1);
}

/**
 * From when on another allowance may begin under the name of this one: when its next period begins, or
 * would if it had no end. Else one that is given an end, and put again, would give twice.
 */
export function nameFreeFrom(allowance: Allowance, { period }: NextPeriod): Micros | null {
  return periodStart(allowance, period);
}

/** The period of this number, if it begins before the allowance ends. */
export function nextPeriod(allowance: Allowance, period: number): NextPeriod {
  const { endTime } = allowance;
  const time = periodStart(allowance, period);
  const isAfterEnd = time !== null && endTime !== null && time >= endTime;
  return { period, time: isAfterEnd ? null : time };
}

/**
 * Whether a period is given at its instant even if nobody comes: its points have a life of their own,
 * or repay debt.
 * All others are quiet: what they would have given is gone when somebody comes too late.
 */
export function isOwed(allowance: Allowance, debt: bigint): boolean {
  return allowance.life.kind !== "periods" || (debt > 0n && !isScoped(allowance));
}

/** When the points of a period that begins at `start` expire; null: not before the year 10000. */
export function expiryOf(allowance: Allowance, period: number, start: Micros): Micros | null {
  const { life } = allowance;
  switch (life.kind) {
    case "periods":
      return periodStart(allowance, period + life.count);
    case "ttl":
      return start + life.ttl > LAST_INSTANT ? null : start + life.ttl;
    case "never":
      return null;
  }
}

/** The next period whose points have not expired at an instant. No period is looked at in between. */
export function nextAlive(allowance: Allowance, next: NextPeriod, instant: Micros): NextPeriod {
  const { life } = allowance;
  if (life.kind === "never") return next;
  const first =
    life.kind === "ttl"
      ? periodAt(allowance, instant - life.ttl) + 1
      : periodAt(allowance, instant) - life.count + 1;
  return first <= next.period ? next : nextPeriod(allowance, first);
}

/**
 * An account's policies as whoever comes now sees them. A quiet period whose points have expired, and
 * which nobody lived to see, comes no more: if no other follows, its allowance still names it as the
 * next one.
 *
 * @param account on which everything due up to `now` is booked
 */
export function livingAt(
  policies: readonly PolicyState[],
  { debt }: Pick<Account, "debt">,
  now: Micros,
): readonly PolicyState[] {
  return policies.map((policy) => {
    const { rule, next } = policy;
    if (rule.kind !== "allowance" || next === undefined || isOwed(rule, debt)) return policy;
    return next.time === null ? policy : { ...policy, next: nextAlive(rule, next, now) };
  });
}

/** An allowance that gives points again. */
export type Giving = PolicyState & {
  readonly rule: Allowance;
  readonly next: NextPeriod & { readonly time: Micros };
};

/** The allowances that give points again, by name. */
export function givingOf(policies: readonly PolicyState[]): readonly Giving[] {
  return policies.filter(
    (policy): policy is Giving =>
      policy.rule.kind === "allowance" && !policy.ended && (policy.next?.time ?? null) !== null,
  );
}

/** Whether an account has room for a period's points. While it has none, the period waits. */
export function hasRoomFor(
  { points }: Allowance,
  { account, openLots }: { readonly account: Account; readonly openLots: number },
): boolean {
  return openLots < MAX_OPEN_LOTS && hasRoom(account, points);
}

/** The numbers of the lots whose expiry wakes nobody. */
export function quietLotsOf(policies: readonly PolicyState[]): ReadonlySet<bigint> {
  return policies.length === 0 ? NONE : new Set(policies.flatMap(({ given }) => given));
}

const NONE: ReadonlySet<bigint> = new Set();
