import { hasRoom, type Account } from "./account.ts";
import { expiryOf, isOwed, nameFreeFrom, nextAlive, nextPeriod, periodFrom } from "./allowance.ts";
import type { Entry } from "./entry.ts";
import { type Lot, newLot } from "./lot.ts";
import type { Allowance, NextPeriod, PolicyState } from "./policy.ts";
import type { Micros } from "./time.ts";

/** An allowance that an account had, and those of its periods that may have left no trace. */
export type PastAllowance = {
  readonly name: string;
  readonly rule: Allowance;
  /** The SET_POLICY entry that set it. */
  readonly sequence: bigint;
  /** The first period whose points were alive then. */
  readonly next: NextPeriod;
  /** The first of those that come next by the account's row: who reads it books these. */
  readonly before: number;
};

/** A SET_POLICY entry. */
type Setting = Pick<Entry, "policy" | "sequence" | "time">;

/** A RECHARGE entry that an allowance made. */
export type Given = Pick<Entry, "sequence" | "cause" | "expireTime">;

/**
 * The allowances that an account had at an instant of the past, of which somebody who came later may
 * have left out periods. What it owed then was not left out.
 *
 * @param settings its SET_POLICY entries up to then, in order
 * @param account as its last entry up to then left it
 * @param policies as its row has them; none, if it has entries after the instant
 */
export function quietAllowancesAt(
  settings: readonly Setting[],
  account: Account,
  { instant, policies }: { readonly instant: Micros; readonly policies: readonly PolicyState[] },
): readonly PastAllowance[] {
  const standing = new Map<string, Standing>();
  for (const { policy, sequence, time } of settings) {
    const { name, rule } = policy!;
    const old = standing.get(name);
    const next = old === undefined ? undefined : nextAt(old, time);
    const free = old === undefined ? null : nameFreeFrom(old.rule, next!);
    const bound = free !== null && free > time ? free : null;
    if (rule?.kind === "allowance") {
      standing.set(name, { rule, sequence, next: periodFrom(rule, bound), isEnded: false });
    } else if (rule === null && bound !== null) {
      standing.set(name, { ...old!, next: next!, isEnded: true });
    } else standing.delete(name);
  }
  const comesNext = new Map(policies.map(({ name, next }) => [name, next?.period]));
  return [...standing]
    .filter(([, { rule, isEnded }]) => !isEnded && !isOwed(rule, account.debt))
    .map(([name, { rule, sequence, next }]) => {
      const before = comesNext.get(name) ?? Infinity;
      return { name, rule, sequence, next: nextAlive(rule, next, instant), before };
    })
    .filter(({ next, before }) => next.period < before && beganBy(next, instant))
    .filter(({ rule }) => hasRoom(account, rule.points));
}

/**
 * What somebody who came at that instant was given, and nobody was: the lots of the periods that had
 * begun, were alive, and left no trace. They have no numbers.
 *
 * @param given what allowances gave up to then, from the start of `next` on
 */
export function untracedLots(
  { name, rule, sequence, next, before }: PastAllowance,
  instant: Micros,
  given: readonly Given[],
): readonly Lot[] {
  // An expiry tells the period, also of an entry that came late, since it had to wait for room. What
  // another rule of that name gave may expire at the same time.
  const own = given.filter((one) => one.cause === name && one.sequence > sequence);
  const known = new Set(own.map(({ expireTime }) => expireTime));
  const { points, priority, category, services } = rule;
  const lots: Lot[] = [];
  let at = next;
  for (; at.period < before && beganBy(at, instant); at = nextPeriod(rule, at.period + 1)) {
    const expireTime = expiryOf(rule, at.period, at.time);
    if (known.has(expireTime)) continue;
    lots.push(newLot({ number: 0n, points, priority, category, services, expireTime }));
  }
  return lots;
}

type Standing = Pick<PastAllowance, "rule" | "sequence" | "next"> & { readonly isEnded: boolean };

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
