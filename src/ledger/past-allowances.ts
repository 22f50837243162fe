import { hasRoom, type Account } from "./account.ts";
import { expiryOf, isOwed, nameFreeFrom, nextAlive, nextPeriod, periodFrom } from "./allowance.ts";
import type { Entry } from "./entry.ts";
import { type Lot, newLot } from "./lot.ts";
import type { Allowance, NextPeriod } from "./policy.ts";
import type { Micros } from "./time.ts";

/** An allowance that an account had, and its first period that was not over then. */
export type PastAllowance = {
  readonly name: string;
  readonly rule: Allowance;
  readonly next: NextPeriod;
};

/** A SET_POLICY entry. */
type Setting = Pick<Entry, "policy" | "time">;

/**
 * The allowances that an account had at an instant that was before its last entry, but for those that
 * it owed then: their periods have entries. `next` is the first period whose points were alive.
 *
 * @param settings its SET_POLICY entries up to then, in order
 * @param account as its last entry up to then left it
 */
export function quietAllowancesAt(
  settings: readonly Setting[],
  account: Account,
  instant: Micros,
): readonly PastAllowance[] {
  const standing = new Map<string, Standing>();
  for (const { policy, time } of settings) {
    const { name, rule } = policy!;
    const old = standing.get(name);
    const next = old === undefined ? undefined : nextAt(old, time);
    const free = old === undefined ? null : nameFreeFrom(old.rule, next!);
    const bound = free !== null && free > time ? free : null;
    if (rule?.kind === "allowance") {
      standing.set(name, { rule, next: periodFrom(rule, bound), isEnded: false });
    } else if (rule === null && bound !== null) {
      standing.set(name, { ...old!, next: next!, isEnded: true });
    } else standing.delete(name);
  }
  return [...standing]
    .filter(([, { rule, isEnded }]) => !isEnded && !isOwed(rule, account.debt))
    .map(([name, { rule, next }]) => ({ name, rule, next: nextAlive(rule, next, instant) }))
    .filter(({ rule, next }) => beganBy(next, instant) && hasRoom(account, rule.points));
}

/**
 * What somebody who came at that instant was given, and nobody was: the lots of the periods that had
 * begun, were alive, and left no trace. They have no numbers.
 *
 * @param isGiven whether an entry up to then gave the period of an allowance that begins at a time
 */
export function untracedLots(
  { name, rule, next }: PastAllowance,
  instant: Micros,
  isGiven: (name: string, start: Micros) => boolean,
): readonly Lot[] {
  const lots: Lot[] = [];
  for (let at = next; beganBy(at, instant); at = nextPeriod(rule, at.period + 1)) {
    if (isGiven(name, at.time)) continue;
    const { points, priority, category, services } = rule;
    const expireTime = expiryOf(rule, at.period, at.time);
    lots.push(newLot({ number: 0n, points, priority, category, services, expireTime }));
  }
  return lots;
}

type Standing = Pick<PastAllowance, "rule" | "next"> & { readonly isEnded: boolean };

type Begun = NextPeriod & { readonly time: Micros };

function beganBy(period: NextPeriod, instant: Micros): period is Begun {
  return period.time !== null && period.time <= instant;
}

/** The next period of an allowance when somebody came. */
function nextAt({ rule, next, isEnded }: Standing, now: Micros): NextPeriod {
  if (isEnded || !beganBy(next, now)) return next;
  const after = periodFrom(rule, now + 1n);
  if (after.time !== null || rule.endTime === null) return after;
  // It has ended by now: its next period would be the first from its end on.
  const last = periodFrom({ ...rule, endTime: null }, rule.endTime);
  return { period: last.period, time: null };
}
