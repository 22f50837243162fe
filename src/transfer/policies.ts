import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { type Policy, PolicySchema } from "../../gen/points/v1/policy_pb.ts";
import { min } from "../ledger/account.ts";
import type { Allowance } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";
import { toPolicy } from "../rpc/policy-messages.ts";
import { fromTimestamp, toTimestamp } from "../rpc/timestamps.ts";
import { firstOf, nextAfter } from "../verify/allowances.ts";
import { endOfPoints, startOfPeriod, startWithoutEnd } from "../verify/calendar.ts";
import { BadLine } from "./bad-line.ts";
import type { Apply } from "./operations.ts";
import { isReused, rechargeLot } from "./recharge.ts";

/** The policies of an account as its entries leave them, by name. */
export type FoldedPolicies = Map<string, FoldedPolicy>;

type FoldedPolicy = {
  readonly policy: Policy;
  /** Of an allowance: its first period that is not given yet. */
  readonly next: number;
  /** It has ended: it only bounds when another allowance of its name begins. */
  readonly ended: boolean;
};

/** Takes policies one entry further. */
export function foldPolicies(policies: FoldedPolicies, entry: Entry): void {
  const { policy, createTime, cause } = entry;
  const time = fromTimestamp(createTime!)!;
  const giving = policies.get(cause);
  const given = giving && allowanceOf(giving.policy);
  if (giving !== undefined && given !== undefined) {
    policies.set(cause, { ...giving, next: nextAfter(given, giving.next, time) });
  }
  if (policy === undefined) return;
  const before = policies.get(policy.name);
  if (policy.rule.case !== undefined) {
    policies.set(policy.name, { policy, next: firstPeriod(policy, before, time), ended: false });
  } else if (before !== undefined) {
    const old = allowanceOf(before.policy);
    const next = old === undefined ? 0 : nextAfter(old, before.next, time);
    policies.set(policy.name, { ...before, next, ended: true });
  }
}

function firstPeriod(policy: Policy, before: FoldedPolicy | undefined, time: Micros): number {
  const allowance = allowanceOf(policy);
  const old = before && allowanceOf(before.policy);
  if (allowance === undefined || old === undefined) return 0;
  return firstOf(allowance, { ...before!, rule: old }, time);
}

function allowanceOf(policy: Policy): Allowance | undefined {
  const { rule } = toPolicy(policy);
  if (rule.kind !== "allowance") return undefined;
  return { ...rule, startTime: rule.startTime! };
}

/**
 * Sets the policies that the entries leave. An allowance goes on with its first period that was not
 * given by the last entry. The server refuses those that are past by now: of them the points that
 * would still be there are recharged, and those that would have repaid debt.
 *
 * @param restored `time` is that of the last entry, `debt` what the account owes before
 * @throws {BadLine} if the server refuses a policy
 */
export async function restorePolicies(
  { policies, time, debt }: Restored,
  apply: Apply,
): Promise<void> {
  const passed: PassedPeriod[] = [];
  for (const [name, { policy, next, ended }] of policies) {
    if (ended) continue;
    const allowance = allowanceOf(policy);
    if (allowance === undefined) {
      await apply(`policy-${name}`, { case: "putPolicy", value: { policy } });
      continue;
    }
    // What began with the last entry is given only if somebody came, and then it has an entry.
    const first = nextAfter(allowance, next, fromTimestamp(time)! - 1n);
    const begun = await putAllowance({ policy, allowance, first }, apply);
    const { life } = allowance;
    const alive = life.kind === "periods" ? begun - life.count : first;
    for (let period = first; period < begun; period += 1) {
      const start = startOfPeriod(allowance, period)!;
      passed.push({ name, allowance, period, start, isAlive: period >= alive });
    }
  }
  await givePassed(passed.toSorted(byStart), debt, apply);
}

type Restored = {
  readonly policies: FoldedPolicies;
  readonly time: Timestamp;
  readonly debt: bigint;
};

/** A period that passed between the last entry and now. */
type PassedPeriod = {
  readonly name: string;
  readonly allowance: Allowance;
  readonly period: number;
  readonly start: Micros;
  /** Whether its points would still be there. */
  readonly isAlive: boolean;
};

/** Recharges what periods gave, in the order of their instants. */
async function givePassed(
  passed: readonly PassedPeriod[],
  debt: bigint,
  apply: Apply,
): Promise<void> {
  let owed = debt;
  for (const { name, allowance, period, isAlive } of passed) {
    const { points, priority, category, services } = allowance;
    const repaid = services.length === 0 ? min(owed, points) : 0n;
    if (!isAlive && repaid === 0n) continue;
    owed -= repaid;
    const end = endOfPoints(allowance, period);
    const expireTime = end === null ? undefined : toTimestamp(end);
    const lot = { points, priority, category, services, expireTime };
    await rechargeLot(`period-${period}-${name}`, lot, apply);
  }
}

function byStart(a: PassedPeriod, b: PassedPeriod): number {
  return a.start < b.start ? -1 : a.start > b.start ? 1 : a.name < b.name ? -1 : 1;
}

/** Sets an allowance from its first period on that is not past, and says which that is. */
async function putAllowance(
  { policy, allowance, first }: { policy: Policy; allowance: Allowance; first: number },
  apply: Apply,
): Promise<number> {
  for (let period = first; ; period += 1) {
    const start = startOfPeriod(allowance, period);
    if (start === null) return period;
    // Else it is only asked whether that is past.
    const isExact = leadsOn(allowance, period, start);
    const rule = {
      case: "allowance",
      value: { ...policy.rule.value, startTime: toTimestamp(start) },
    };
    const from = create(PolicySchema, { name: policy.name, rule } as typeof policy);
    try {
      const value = { policy: from, validateOnly: !isExact };
      await apply(`policy-${policy.name}`, { case: "putPolicy", value });
    } catch (error) {
      // All attempts have one request id: an earlier import may have made a later one.
      if (!isPastStart(error) && !isReused(error)) throw error;
      continue;
    }
    if (isExact) return period;
    throw new BadLine(
      `allowance ${policy.name} gives next on a day that stands for one that its month lacks: ` +
        "import it after that day",
    );
  }
}

/**
 * Whether an allowance that starts with this period has the same later ones. From 28 February on, one of
 * each 31st would give on each 28th.
 */
function leadsOn(allowance: Allowance, period: number, startTime: Micros): boolean {
  for (let later = 1; later <= LATER_PERIODS; later += 1) {
    const is = startWithoutEnd({ ...allowance, startTime }, later);
    if (is !== startWithoutEnd(allowance, period + later)) return false;
  }
  return true;
}

/** Four years of months: a leap day is among them. */
const LATER_PERIODS = 48;

function isPastStart(error: unknown): boolean {
  if (!(error instanceof BadLine)) return false;
  const fields = error.refusal?.violations.map(({ field }) => field) ?? [];
  return fields.includes("policy.allowance.start_time");
}
