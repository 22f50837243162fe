import { min } from "./account.ts";
import { windowEnd } from "./calendar.ts";
import { type Count, countOf, withCount } from "./counts.ts";
import type { Limit, PolicyState } from "./policy.ts";
import type { Rejection } from "./rejection.ts";
import type { Micros } from "./time.ts";

/** Points that are spent or set aside: for the use of which service, and by which member. */
export type Spend = {
  readonly points: bigint;
  /** Null: the caller named points. */
  readonly service: string | null;
  /** Empty: none was said. */
  readonly member: string;
};

/** Where a limit stands. */
export type LimitStatus = {
  /** The policy's name. */
  readonly name: string;
  /** The points that may be spent in its window. */
  readonly points: bigint;
  readonly spent: bigint;
  /** When the window ends; undefined: never. */
  readonly resetsTime: Micros | undefined;
};

type Policies = readonly PolicyState[];

/** Refuses to spend more than the limits leave: the first of them, by name, says so. */
export function limitExceeded(
  policies: Policies,
  spend: Spend,
  now: Micros,
): Rejection | undefined {
  if (policies.length === 0) return undefined;
  const { points: required } = spend;
  const passed = limitsOn(policies, spend, now).find((limit) => required > leftOf(limit));
  if (passed === undefined) return undefined;
  const { name: limit, ...facts } = passed;
  return { reason: "LIMIT_EXCEEDED", limit, ...facts, required };
}

/** What the limits leave of the points that are to be spent. */
export function withinLimits(policies: Policies, spend: Spend, now: Micros): bigint {
  if (policies.length === 0) return spend.points;
  return limitsOn(policies, spend, now).map(leftOf).reduce(min, spend.points);
}

/** The limits against which spending on this counts, by name. */
export function limitsOn(
  policies: Policies,
  spend: Omit<Spend, "points">,
  now: Micros,
): readonly LimitStatus[] {
  return policies.flatMap((policy) => {
    const { rule } = policy;
    if (rule.kind !== "limit") return [];
    const key = keyOf(rule, spend);
    return key === undefined ? [] : [statusOf(policy, rule, { key, now })];
  });
}

/** Where a limit stands for a key of its counts. */
export function statusOf(
  { name, counts }: PolicyState,
  { points, window }: Limit,
  { key, now }: { readonly key: string; readonly now: Micros },
): LimitStatus {
  const open = openCount(countOf(counts, key), now);
  const until = open === undefined ? endOf(window, now) : open.until;
  return { name, points, spent: open?.spent ?? 0n, resetsTime: until ?? undefined };
}

/**
 * Counts what was spent. A window begins with the first entry that counts in it: nothing is written
 * when the one before ends.
 *
 * @param sequence the entry that spends
 */
export function count(
  policies: Policies,
  spend: Spend,
  { sequence, now }: { readonly sequence: bigint; readonly now: Micros },
): Policies {
  return recount(policies, spend, (before, { window }) => {
    const { since, until, spent } = openCount(before, now) ?? {
      since: sequence,
      until: endOf(window, now),
      spent: 0n,
    };
    return { since, until, spent: spent + spend.points };
  });
}

/**
 * Takes points that came back off what was spent, if that was counted in the window that is still
 * open.
 *
 * @param counted the entry that spent: of a hold its FREEZE
 */
export function uncount(
  policies: Policies,
  spend: Spend,
  { counted, now }: { readonly counted: bigint; readonly now: Micros },
): Policies {
  return recount(policies, spend, (before) => {
    const open = openCount(before, now);
    if (open === undefined || counted < open.since) return before;
    return { ...open, spent: open.spent - min(open.spent, spend.points) };
  });
}

function recount(
  policies: Policies,
  spend: Spend,
  change: (before: Count | undefined, limit: Limit) => Count | undefined,
): Policies {
  if (policies.length === 0 || spend.points === 0n) return policies;
  return policies.map((policy) => {
    const { rule, counts } = policy;
    if (rule.kind !== "limit") return policy;
    const key = keyOf(rule, spend);
    if (key === undefined) return policy;
    const before = countOf(counts, key);
    const after = change(before, rule);
    if (after === undefined || after === before) return policy;
    return { ...policy, counts: withCount(counts, key, after) };
  });
}

/** Under which key of its counts a limit counts this; undefined: it does not. */
function keyOf(rule: Limit, { service, member }: Omit<Spend, "points">): string | undefined {
  if (rule.service !== "" && rule.service !== service) return undefined;
  if (rule.member !== "" && rule.member !== member) return undefined;
  if (!rule.eachMember) return "";
  return member === "" ? undefined : member;
}

/** The count, if its window has not ended: from `until` on a new one begins. */
function openCount(last: Count | undefined, now: Micros): Count | undefined {
  return last === undefined || (last.until !== null && last.until <= now) ? undefined : last;
}

function endOf(window: Limit["window"], now: Micros): Micros | null {
  return window.kind === "total" ? null : windowEnd(window.unit, window.timeZone, now);
}

/** What may still be spent: a settle that owes, or a lower limit, may have left less than nothing. */
function leftOf({ points, spent }: LimitStatus): bigint {
  return spent >= points ? 0n : points - spent;
}
