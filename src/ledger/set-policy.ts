import { nameFreeFrom, periodFrom } from "./allowance.ts";
import { isTimeZone } from "./calendar.ts";
import type { AskedRule, DeletePolicy, PutPolicy } from "./command.ts";
import { NO_COUNTS } from "./counts.ts";
import { type Applied, append } from "./journal.ts";
import { MAX_POLICIES, type PolicyState, type Rule } from "./policy.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";

/**
 * Sets a policy. An allowance begins with its first period that is not before the next one of the
 * allowance whose name it takes, also if that one has ended: nobody gets more by changing plans to
 * and fro. A limit goes on counting if only its points differ.
 */
export function putPolicy(booked: Applied, command: PutPolicy, now: Micros): Applied | Rejection {
  const { state } = booked;
  const { name } = command;
  const rule = ruleFrom(command.rule, now);
  if (isRejection(rule)) return rule;
  const others = state.policies.filter((one) => one.name !== name && !isOver(one, now));
  const before = state.policies.find((one) => one.name === name && !isOver(one, now));
  if (before !== undefined && before.rule.kind !== rule.kind) {
    const description = `must have a rule of the kind that the policy of this name has: ${wordOf(before.rule)}`;
    return { reason: "FIELD_INVALID", field: "policy", description };
  }
  const gives = rule.kind === "allowance" || rule.kind === "creditLine";
  const denied = gives ? overMaxPoints(command, rule.points) : undefined;
  if (denied !== undefined) return denied;
  const current = others.filter(({ ended }) => !ended).length;
  if (current >= MAX_POLICIES || others.length >= MAX_ROWS) {
    return { reason: "ACCOUNT_FULL", full: "policies", limit: MAX_POLICIES };
  }
  // Everything is checked; from here on it changes.
  const sequence = state.account.sequence + 1n;
  const counted = goesOnCounting(before?.rule, rule) ? before : undefined;
  const policy: PolicyState = {
    name,
    rule,
    ended: false,
    sequence,
    countsFrom: counted?.countsFrom ?? sequence,
    counts: counted?.counts ?? NO_COUNTS,
    next:
      rule.kind === "allowance"
        ? periodFrom(rule, before === undefined ? null : boundOf(before))
        : undefined,
    given: [],
  };
  const change = {
    policies: byName([...others, policy]),
    otherDueTime: wokenBy(state, before?.given ?? [], now),
  };
  const member = rule.kind === "limit" ? rule.member : "";
  const entry = { ...SETTING, policy: { name, rule }, member };
  return append(booked, { change, entry, cause: command, now });
}

/**
 * Ends a policy. An allowance is kept until its next period would have begun, so that one of its name
 * gives nothing before.
 */
export function deletePolicy(
  booked: Applied,
  command: DeletePolicy,
  now: Micros,
): Applied | Rejection {
  const { state } = booked;
  const { name } = command;
  const policy = state.policies.find((one) => one.name === name && !one.ended);
  if (policy === undefined) return { reason: "POLICY_NOT_FOUND", name };
  // Everything is checked; from here on it changes.
  const sequence = state.account.sequence + 1n;
  const others = state.policies.filter((one) => one !== policy);
  const ended: PolicyState = { ...policy, ended: true, sequence, given: [] };
  const policies = [...others, ended].filter((one) => !isOver(one, now));
  const change = {
    policies: byName(policies),
    otherDueTime: wokenBy(state, policy.given, now),
  };
  const entry = { ...SETTING, policy: { name, rule: null } };
  return append(booked, { change, entry, cause: command, now });
}

/**
 * The clock of an account's other lots and holds, once the expiry of these lots wakes it as that of
 * any lot does. When those expire that are not loaded is not known here: the next batch looks.
 */
function wokenBy(
  { lots, otherDueTime }: AccountState,
  given: readonly bigint[],
  now: Micros,
): Micros | null {
  const isLoaded = (lot: bigint) => lots.some(({ number }) => number === lot);
  return given.every(isLoaded) ? otherDueTime : now;
}

/** The most policies with those that have ended and still matter. */
const MAX_ROWS = 2 * MAX_POLICIES;

const SETTING = { kind: "setPolicy", points: 0n, allocations: [] } as const;

/** Whether a policy has ended and bounds no other of its name any more. */
function isOver(policy: PolicyState, now: Micros): boolean {
  if (!policy.ended) return false;
  const bound = boundOf(policy);
  return bound === null || bound <= now;
}

function boundOf({ rule, next }: PolicyState): Micros | null {
  return rule.kind === "allowance" && next !== undefined ? nameFreeFrom(rule, next) : null;
}

/** Whether a limit counts what the one before it counted. */
function goesOnCounting(before: Rule | undefined, rule: Rule): boolean {
  if (before?.kind !== "limit" || rule.kind !== "limit") return false;
  const what = ({ window, member, eachMember, service }: typeof rule) =>
    JSON.stringify([window, member, eachMember, service]);
  return what(before) === what(rule);
}

/** The rule, from now on; or the refusal of a time, or a time zone, that it cannot have. */
export function ruleFrom(asked: AskedRule, now: Micros): Rule | Rejection {
  if (asked.kind === "limit") {
    const { window } = asked;
    if (window.kind === "total" || isTimeZone(window.timeZone)) return asked;
    return noTimeZone("policy.limit.window.time_zone");
  }
  if (asked.kind !== "allowance") return asked;
  const { startTime = now, endTime, timeZone } = asked;
  if (!isTimeZone(timeZone)) return noTimeZone("policy.allowance.time_zone");
  if (startTime < now) return invalid("policy.allowance.start_time", "must not be before now");
  if (endTime !== null && endTime <= startTime) {
    return invalid("policy.allowance.end_time", "must be after start_time");
  }
  return { ...asked, startTime };
}

function noTimeZone(field: string): Rejection {
  return invalid(field, 'must be the name of a time zone, as "Europe/Berlin"');
}

function invalid(field: string, description: string): Rejection {
  return { reason: "FIELD_INVALID", field, description };
}

function byName(policies: readonly PolicyState[]): readonly PolicyState[] {
  return policies.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function wordOf({ kind }: Rule): string {
  return kind === "creditLine" ? "credit_line" : kind;
}
