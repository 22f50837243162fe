import type { Entry } from "../ledger/entry.ts";
import type { Allowance, PolicyState, Rule } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";
import type { Books } from "./books.ts";
import { endOfPoints, startOfPeriod, startWithoutEnd } from "./calendar.ts";
import type { Before, BookedPolicy, PolicyBooks } from "./policies.ts";

// A period that is owed has an entry in each case. Of the others only those have one whose points
// were alive when something else happened or when somebody came; what they bring is quiet, and so is
// its expiry.

/** The RECHARGE entry of a period. */
export function flawOfGiven(
  policies: PolicyBooks,
  before: Before,
  entry: Entry,
): string | undefined {
  const { cause, time } = entry;
  const policy = policies.get(cause);
  if (policy === undefined || policy.ended || policy.rule.kind !== "allowance") {
    return `was given by allowance ${cause}, which there is not`;
  }
  const { rule } = policy;
  if (entry.request !== undefined || entry.caller + entry.actor !== "") {
    return "was given by an allowance, and names who asked for it";
  }
  const period = periodGiven(policy.next, rule, { before, entry });
  const start = startOfPeriod(rule, period);
  // A period that had to wait for room, or for what was due before, comes at the time of the entry
  // before.
  if (start === null || start > time || (start < time && time !== before.time)) {
    return `was given by allowance ${cause} at an instant at which no period is left to begin`;
  }
  if (
    entry.points !== rule.points ||
    entry.priority !== rule.priority ||
    entry.category !== rule.category ||
    entry.services.join(" ") !== rule.services.join(" ") ||
    entry.expireTime !== endOfPoints(rule, period)
  ) {
    return `was given by allowance ${cause} otherwise than its rule says`;
  }
  if (period > policy.next) policy.leftOut = endOfPoints(rule, period - 1);
  if (rule.life.kind === "periods") policy.quietLots.add(entry.sequence);
  policy.next = period + 1;
}

/** The number of the period that an entry gives, from the first on that may still be given. */
function periodGiven(
  next: number,
  rule: Allowance,
  { before, entry }: { readonly before: Before; readonly entry: Entry },
): number {
  const { time, expireTime } = entry;
  const start = startOfPeriod(rule, next);
  if (start !== null && start < time && isOwed(rule, before.figures.debt)) {
    return firstAlive(next, rule, time);
  }
  for (let period = next; ; period += 1) {
    const begins = startOfPeriod(rule, period);
    if (begins === null || begins >= time || endOfPoints(rule, period) === expireTime)
      return period;
  }
}

/** Whatever happens at an instant, the periods before it that are alive were given. */
export function flawOfMissed(
  policies: PolicyBooks,
  books: Books<Micros | null>,
  before: Before,
  entry: Entry,
): string | undefined {
  const { time } = entry;
  const { debt } = before.figures;
  if (time === before.time || isQuiet(policies, debt, entry)) return undefined;
  for (const [name, policy] of policies) {
    const { rule, ended } = policy;
    if (ended || rule.kind !== "allowance" || name === entry.cause) continue;
    if (policy.leftOut !== null && policy.leftOut > time) {
      return `comes after a period of allowance ${name} that was left out and is alive`;
    }
    policy.leftOut = null;
    policy.next = firstLeft(policy.next, rule, { at: time, debt });
    const start = startOfPeriod(rule, policy.next);
    if (start === null || start >= time || wasFull(books, entry, rule)) continue;
    return `comes after a period of allowance ${name} that was not given`;
  }
}

/** Whether an entry is of what is booked only if something else happens or somebody comes. */
function isQuiet(
  policies: PolicyBooks,
  debt: bigint,
  { kind, cause, allocations }: Entry,
): boolean {
  const rule = policies.get(cause)?.rule;
  if (rule?.kind === "allowance") return !isOwed(rule, debt);
  const quiet = [...policies.values()].map(({ quietLots }) => quietLots);
  return kind === "expire" && allocations.every(({ lot }) => quiet.some((lots) => lots.has(lot)));
}

/** The first period that is not over: those left out would have expired by then without a trace. */
export function firstLeft(
  next: number,
  rule: Allowance,
  { at, debt }: { readonly at: Micros; readonly debt: bigint },
): number {
  return isOwed(rule, debt) ? next : firstAlive(next, rule, at);
}

function firstAlive(next: number, rule: Allowance, at: Micros): number {
  return firstPeriod(next, (period) => {
    if (startOfPeriod(rule, period) === null) return true;
    const end = endOfPoints(rule, period);
    return end === null || end > at;
  });
}

/**
 * The first period from one on of which something is true, as it is of all after it. An allowance may
 * begin in a thousand years, so that not each period is looked at.
 */
function firstPeriod(from: number, isSo: (period: number) => boolean): number {
  let [low, count] = [from, 1];
  for (; !isSo(low + count - 1); count *= 2) low += count;
  let high = low + count - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isSo(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Whether a period is given whoever comes: its points have a life of their own, or repay a debt. */
function isOwed({ life, services }: Allowance, debt: bigint): boolean {
  return life.kind !== "periods" || (debt > 0n && services.length === 0);
}

const MAX_OPEN_LOTS = 4_096;
const MAX_TOTAL = 2n ** 53n - 1n;

/** Whether an account has no room for the points, so that their period waits. */
function isFull(
  { figures, lots }: Books<Micros | null>,
  { points }: Allowance,
  closed: number,
): boolean {
  const { totalRecharged, totalRefunded, debt } = figures;
  if (totalRecharged + totalRefunded + debt + points > MAX_TOTAL) return true;
  if (lots.size < MAX_OPEN_LOTS) return false;
  const open = [...lots.values()].filter(({ remaining, frozen }) => remaining + frozen > 0n);
  return open.length + closed >= MAX_OPEN_LOTS;
}

/** The same before an entry, which may have closed lots. */
function wasFull(books: Books<Micros | null>, { allocations }: Entry, rule: Allowance): boolean {
  return isFull(books, rule, allocations.length);
}

/** When the next periods begin that are given whoever comes. */
export function owedNext(
  policies: readonly PolicyState[],
  books: Books<Micros | null>,
): readonly (Micros | null)[] {
  return policies.map(({ rule, ended, next }) => {
    if (ended || rule.kind !== "allowance" || isFull(books, rule, 0)) return null;
    return isOwed(rule, books.figures.debt) ? (next?.time ?? null) : null;
  });
}

/** An allowance begins with its first period that is not before the next one of that before it. */
export function firstOf(
  rule: Rule,
  before: Pick<BookedPolicy, "rule" | "next" | "ended"> | undefined,
  time: Micros,
): number {
  if (rule.kind !== "allowance" || before?.rule.kind !== "allowance") return 0;
  // Its name is free from its next period on, also if it has ended.
  const next = before.ended ? before.next : nextAfter(before.rule, before.next, time);
  const notBefore = startWithoutEnd(before.rule, next);
  if (notBefore === null || notBefore <= time) return 0;
  return nextAfter({ ...rule, endTime: null }, 0, notBefore - 1n);
}

/** The first period from `period` on that begins after an instant, or never. */
export function nextAfter(rule: Allowance, period: number, time: Micros): number {
  return firstPeriod(period, (next) => {
    const start = startOfPeriod(rule, next);
    return start === null || start > time;
  });
}
