import type { DeletePolicy, PutPolicy } from "../../src/ledger/command.ts";
import type { Allowance, Limit, Rule } from "../../src/ledger/policy.ts";
import { endOfPoints, endOfWindow, startOfPeriod } from "../../src/verify/calendar.ts";

// Policies of the naive model: periods are looked at one by one, and what was spent of a limit is
// added up anew from all that was.

/** A policy of an account. */
export type ModelPolicy = {
  readonly name: string;
  readonly rule: Rule;
  readonly ended: boolean;
  /** Of an allowance: the number of its next period. */
  next: number;
  /** Of a limit: the entry since which it counts. */
  readonly since: bigint;
};

/** A policy as its entry says; without a rule: it ended. */
export type Said = { readonly name: string; readonly rule: Rule | null };

/** What an entry, at its time, adds to what was spent, or takes off it. */
export type Spending = {
  readonly number: bigint;
  readonly time: bigint;
  readonly points: bigint;
  /** Undefined: points without a usage. */
  readonly service: string | undefined;
  readonly member: string;
  /** The entry under which points were counted that come back now. */
  readonly counted?: bigint;
};

/** A period of an allowance. */
export type Period = { readonly number: number; readonly start: bigint; readonly end: bigint };

type Change = { readonly policies: readonly ModelPolicy[]; readonly said: Said };

/** The policies after a command, and what its entry says; or why it is refused. */
export function changePolicies(
  policies: readonly ModelPolicy[],
  command: PutPolicy | DeletePolicy,
  { number, now }: { readonly number: bigint; readonly now: bigint },
): Change | string {
  const { name } = command;
  const known = policies.filter((one) => !one.ended || nextStart(one) > now);
  const before = known.find((one) => one.name === name);
  const others = known.filter((one) => one !== before);
  if (command.kind === "deletePolicy") {
    if (before === undefined || before.ended) return "POLICY_NOT_FOUND";
    const kept = { ...before, ended: true };
    const isKept = nextStart(kept) > now;
    return { policies: isKept ? [...others, kept] : others, said: { name, rule: null } };
  }
  const rule = { ...command.rule };
  if (rule.kind === "allowance") {
    rule.startTime ??= now;
    if (rule.startTime < now) return "FIELD_INVALID";
    if (rule.endTime !== null && rule.endTime <= rule.startTime) return "FIELD_INVALID";
  }
  if (before !== undefined && before.rule.kind !== rule.kind) return "FIELD_INVALID";
  if (others.length >= 32) return "ACCOUNT_FULL";
  const set = rule as Rule;
  const isSame = before !== undefined && !before.ended && countsAlike(before.rule, set);
  const policy = { name, rule: set, ended: false, next: 0, since: isSame ? before.since : number };
  if (set.kind === "allowance" && before !== undefined) {
    const bound = nextStart(before);
    const endless = { ...set, endTime: null };
    for (let start; (start = startOf(endless, policy.next)) !== undefined && start < bound;) {
      policy.next += 1;
    }
  }
  return { policies: [...others, policy], said: { name, rule: set } };
}

/** The periods of an allowance from its next one on that begin by an instant. */
export function periodsUpTo({ rule, next }: ModelPolicy, instant: bigint): readonly Period[] {
  if (rule.kind !== "allowance") return [];
  const periods: Period[] = [];
  for (let number = next; ; number += 1) {
    const start = startOf(rule, number);
    if (start === undefined || start > instant) return periods;
    periods.push({ number, start, end: endOf(rule, number) });
  }
}

/** Whether points of an allowance outlive their period, or would repay debt. */
export function isOwed(rule: Allowance, debt: bigint): boolean {
  return rule.life.kind !== "periods" || (debt > 0n && rule.services.length === 0);
}

/** How much an account may owe. */
export function creditLine(policies: readonly ModelPolicy[]): bigint {
  const lines = policies.map(({ rule }) => (rule.kind === "creditLine" ? rule.points : 0n));
  return lines.reduce((most, points) => (points > most ? points : most), 0n);
}

/** The names of the alerts that an account sets off that was worth some points and is worth fewer. */
export function alerts(policies: readonly ModelPolicy[], had: bigint, has: bigint): string[] {
  const isLow = (worth: bigint) =>
    policies.flatMap(({ name, rule }) =>
      rule.kind === "alert" && worth < rule.below ? [name] : [],
    );
  const before = isLow(had);
  return isLow(has)
    .filter((name) => !before.includes(name))
    .toSorted();
}

/** What limits leave to be spent; undefined: none of them binds. */
export function leftOfLimits(
  policies: readonly ModelPolicy[],
  all: readonly Spending[],
  spend: Pick<Spending, "service" | "member" | "time">,
): bigint | undefined {
  const left = policies.flatMap((policy) => {
    const { rule } = policy;
    if (rule.kind !== "limit" || !binds(rule, spend)) return [];
    const spent = spentOf(policy, all, spend);
    return [spent > rule.points ? 0n : rule.points - spent];
  });
  return left.toSorted((a, b) => (a < b ? -1 : 1))[0];
}

function spentOf(
  { rule, since }: ModelPolicy,
  all: readonly Spending[],
  { member, time }: Pick<Spending, "member" | "time">,
): bigint {
  const limit = rule as Limit;
  const end = windowEnd(limit, time);
  const ofWindow = all.filter(
    (one) =>
      one.number > since &&
      binds(limit, one) &&
      (!limit.eachMember || one.member === member) &&
      windowEnd(limit, one.time) === end,
  );
  const first = ofWindow.find(({ points, counted }) => counted === undefined && points > 0n);
  let spent = 0n;
  for (const { points, counted } of ofWindow) {
    if (counted === undefined) spent += points;
    else if (first !== undefined && counted >= first.number) spent -= points;
  }
  return spent;
}

function binds(limit: Limit, { service, member }: Pick<Spending, "service" | "member">): boolean {
  if (limit.service !== "" && limit.service !== service) return false;
  return limit.eachMember ? member !== "" : limit.member === "" || limit.member === member;
}

function countsAlike(a: Rule, b: Rule): boolean {
  if (a.kind !== "limit" || b.kind !== "limit") return false;
  return JSON.stringify({ ...a, points: 0 }) === JSON.stringify({ ...b, points: 0 });
}

const NEVER = 1n << 80n;

/** When the next period begins, or would if there were no end; 0: never, so that it bounds nothing. */
function nextStart({ rule, next }: ModelPolicy): bigint {
  return rule.kind === "allowance" ? (startOf({ ...rule, endTime: null }, next) ?? 0n) : 0n;
}

function startOf(rule: Allowance, number: number): bigint | undefined {
  return (
    remembered(`${textOf(rule)} starts ${number}`, () => startOfPeriod(rule, number)) ?? undefined
  );
}

function endOf(rule: Allowance, number: number): bigint {
  return remembered(`${textOf(rule)} ends ${number}`, () => endOfPoints(rule, number)) ?? NEVER;
}

function windowEnd({ window }: Limit, time: bigint): bigint {
  return remembered(`${JSON.stringify(window)} ${time}`, () => endOfWindow(window, time)) ?? NEVER;
}

function textOf(rule: Allowance): string {
  return JSON.stringify(rule, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
}

const memory = new Map<string, bigint | null>();

/** Calendars are slow, and are asked the same again and again. */
function remembered(what: string, find: () => bigint | null): bigint | null {
  const known = memory.get(what);
  if (known !== undefined) return known;
  const found = find();
  if (memory.size > 100_000) memory.clear();
  memory.set(what, found);
  return found;
}
