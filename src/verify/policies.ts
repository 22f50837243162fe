import type { Figures } from "../ledger/account.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Count } from "../ledger/counts.ts";
import type { Allowance, PolicyState, Rule } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";
import type { Books } from "./books.ts";
import { endOfPoints, startOfPeriod } from "./calendar.ts";
import { countsOf, flawOfCounts } from "./limits.ts";

/** The policies of an account, as its journal has set them so far, by name. */
export type PolicyBooks = Map<string, BookedPolicy>;

export type BookedPolicy = {
  readonly rule: Rule;
  readonly ended: boolean;
  /** The SET_POLICY entry that set or ended it. */
  readonly sequence: bigint;
  /** The number of the first period of an allowance that may still be given. */
  next: number;
  /** Of a limit: the SET_POLICY entry from which it counts, and what it has counted, by member. */
  readonly countsFrom: bigint;
  readonly counts: Map<string, Count>;
};

/** What an entry follows. */
type Before = {
  readonly figures: Figures;
  /** Undefined for the first. */
  readonly time: Micros | undefined;
};

/**
 * Checks what policies make of an entry: that no period of an allowance was given twice, missed, or
 * otherwise than its rule says; that alerts are on the entries that crossed them; and that no charge
 * owes more than the credit line. Then posts the entry to the policies.
 *
 * @param books of the account, after the entry
 */
export function replayPolicies(
  policies: PolicyBooks,
  books: Books<Micros | null>,
  { before, entry }: { readonly before: Before; readonly entry: Entry },
): string | undefined {
  if (policies.size === 0 && entry.policy === null) return flawWithoutPolicies(entry);
  const { cause, policy } = entry;
  const flaw =
    (cause === "" ? undefined : flawOfGiven(policies, before, entry)) ??
    flawOfMissed(policies, books, { before, entry }) ??
    flawOfAlerts(policies, before.figures, entry) ??
    flawOfOwed(policies, entry);
  if (flaw === undefined && policy !== null) setPolicy(policies, { ...entry, policy });
  return flaw;
}

function flawWithoutPolicies({ cause, alerts, kind, owed }: Entry): string | undefined {
  if (cause !== "") return `was given by allowance ${cause}, which there is not`;
  if (alerts.length > 0) return `says alert ${alerts[0]}, which there is not`;
  if (owed > 0n && kind !== "revoke") return "owes points without a credit line";
}

/** The RECHARGE entry of a period. */
function flawOfGiven(policies: PolicyBooks, before: Before, entry: Entry): string | undefined {
  const { cause, time } = entry;
  const policy = policies.get(cause);
  if (policy === undefined || policy.ended || policy.rule.kind !== "allowance") {
    return `was given by allowance ${cause}, which there is not`;
  }
  const { rule } = policy;
  if (entry.request !== undefined || entry.caller + entry.actor !== "") {
    return "was given by an allowance, and names who asked for it";
  }
  policy.next = firstLeft(policy.next, rule, { at: time, debt: before.figures.debt });
  const start = startOfPeriod(rule, policy.next);
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
    entry.expireTime !== endOfPoints(rule, policy.next)
  ) {
    return `was given by allowance ${cause} otherwise than its rule says`;
  }
  policy.next += 1;
}

/** Whatever happens at an instant, the periods before it that are alive were given. */
function flawOfMissed(
  policies: PolicyBooks,
  books: Books<Micros | null>,
  { before, entry }: { readonly before: Before; readonly entry: Entry },
): string | undefined {
  const { time } = entry;
  if (time === before.time) return undefined;
  const { debt } = before.figures;
  for (const [name, policy] of policies) {
    const { rule, ended } = policy;
    if (ended || rule.kind !== "allowance" || name === entry.cause) continue;
    policy.next = firstLeft(policy.next, rule, { at: time, debt });
    const start = startOfPeriod(rule, policy.next);
    if (start === null || start >= time || isFull(books, rule)) continue;
    return `comes after a period of allowance ${name} that was not given`;
  }
}

/** The first period that is not over: those left out would have expired by then without a trace. */
function firstLeft(
  next: number,
  rule: Allowance,
  { at, debt }: { readonly at: Micros; readonly debt: bigint },
): number {
  if (isOwed(rule, debt)) return next;
  let first = next;
  for (;;) {
    const start = startOfPeriod(rule, first);
    const end = endOfPoints(rule, first);
    if (start === null || end === null || end > at) return first;
    first += 1;
  }
}

/** Whether a period's points outlive it: they live longer, or repay a debt. */
function isOwed({ life, services }: Allowance, debt: bigint): boolean {
  return life.kind !== "periods" || (debt > 0n && services.length === 0);
}

const MAX_OPEN_LOTS = 4_096;
const MAX_TOTAL = 2n ** 53n - 1n;

/** Whether an account has no room for the points, so that their period waits. */
function isFull({ figures, lots }: Books<Micros | null>, { points }: Allowance): boolean {
  const { totalRecharged, totalRefunded, debt } = figures;
  if (totalRecharged + totalRefunded + debt + points > MAX_TOTAL) return true;
  if (lots.size < MAX_OPEN_LOTS) return false;
  const open = [...lots.values()].filter(({ remaining, frozen }) => remaining + frozen > 0n);
  return open.length >= MAX_OPEN_LOTS;
}

function flawOfAlerts(
  policies: PolicyBooks,
  before: Figures,
  { after, alerts }: Entry,
): string | undefined {
  const worth = ({ balance, frozen, debt }: Figures) => balance + frozen - debt;
  const [had, has] = [worth(before), worth(after)];
  const crossed: string[] = [];
  for (const [name, { rule, ended }] of policies) {
    if (rule.kind === "alert" && !ended && had >= rule.below && has < rule.below)
      crossed.push(name);
  }
  const expected = crossed.toSorted((a, b) => (a < b ? -1 : 1)).join(" ");
  if (alerts.join(" ") === expected) return undefined;
  return `says alerts "${alerts.join(" ")}", and crosses "${expected}"`;
}

/** A revocation may owe any number. */
function flawOfOwed(policies: PolicyBooks, { kind, owed, after }: Entry): string | undefined {
  if (owed === 0n || kind === "revoke") return undefined;
  let line = 0n;
  for (const { rule, ended } of policies.values()) {
    if (rule.kind === "creditLine" && !ended && rule.points > line) line = rule.points;
  }
  if (after.debt <= line) return undefined;
  return `leaves a debt of ${after.debt} with a credit line of ${line}`;
}

function setPolicy(
  policies: PolicyBooks,
  { policy, sequence, time }: Entry & { readonly policy: NonNullable<Entry["policy"]> },
): void {
  const { name, rule } = policy;
  const before = policies.get(name);
  if (rule === null) {
    if (before === undefined) return;
    const next = before.rule.kind === "allowance" ? nextAfter(before.rule, before.next, time) : 0;
    policies.set(name, { ...before, ended: true, sequence, next });
    return;
  }
  policies.set(name, {
    rule,
    ended: false,
    sequence,
    next: firstOf(rule, before, time),
    ...countsOf(before, { rule, sequence }),
  });
}

/** An allowance begins with its first period that is not before the next one of that before it. */
function firstOf(rule: Rule, before: BookedPolicy | undefined, time: Micros): number {
  if (rule.kind !== "allowance" || before?.rule.kind !== "allowance") return 0;
  // An ended one's name is free from its next period on.
  const next = before.ended ? before.next : nextAfter(before.rule, before.next, time);
  const notBefore = startOfPeriod(before.rule, next);
  if (notBefore === null || notBefore <= time) return 0;
  for (let first = 0; ; first += 1) {
    const start = startOfPeriod(rule, first);
    if (start === null || start >= notBefore) return first;
  }
}

/** The first period from `period` on that begins after an instant, or never. */
function nextAfter(rule: Allowance, period: number, time: Micros): number {
  let next = period;
  for (;;) {
    const start = startOfPeriod(rule, next);
    if (start === null || start > time) return next;
    next += 1;
  }
}

/** Compares an account's rows of policies with what the whole journal leaves in them. */
export function flawOfPolicyRows(
  policies: PolicyBooks,
  rows: readonly PolicyState[],
  { time, figures }: { readonly time: Micros; readonly figures: Figures },
): string | undefined {
  const byName = new Map(rows.map((row) => [row.name, row]));
  for (const [name, policy] of policies) {
    const row = byName.get(name);
    byName.delete(name);
    if (row === undefined) {
      if (policy.ended) continue;
      return `policy ${name} has no row`;
    }
    const { rule, ended, sequence } = policy;
    if (row.ended !== ended || row.sequence !== sequence) {
      return `policy ${name} is not the one of entry ${sequence}`;
    }
    if (!isSameRule(row.rule, rule))
      return `policy ${name} has another rule than entry ${sequence}`;
    const counted = rule.kind === "limit" ? flawOfCounts(policy, row) : undefined;
    if (counted !== undefined) return counted;
    if (rule.kind !== "allowance") continue;
    const last = ended
      ? Number.POSITIVE_INFINITY
      : firstLeft(policy.next, rule, { at: time, debt: figures.debt });
    const { period = -1, time: start = null } = row.next ?? {};
    if (period < policy.next || period > last || start !== startOfPeriod(rule, period)) {
      return `allowance ${name} has period ${period} as its next, and not ${policy.next}`;
    }
  }
  const [other] = byName.keys();
  return other === undefined ? undefined : `policy ${other} is set by no entry`;
}

/** When the next periods begin that are given whoever comes. */
export function owedNext(
  policies: readonly PolicyState[],
  { debt }: Figures,
): readonly (Micros | null)[] {
  return policies.map(({ rule, ended, next }) => {
    if (ended || rule.kind !== "allowance") return null;
    return isOwed(rule, debt) ? (next?.time ?? null) : null;
  });
}

function isSameRule(a: Rule, b: Rule): boolean {
  const text = (rule: Rule) =>
    JSON.stringify(rule, (_, value) => (typeof value === "bigint" ? `${value}` : value));
  return text(a) === text(b);
}
