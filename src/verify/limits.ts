import type { Entry } from "../ledger/entry.ts";
import type { Count } from "../ledger/counts.ts";
import type { Limit, PolicyState, Rule } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";
import type { Books } from "./books.ts";
import { endOfWindow } from "./calendar.ts";
import type { BookedPolicy, PolicyBooks } from "./policies.ts";
import type { Refundable } from "./refunding.ts";

/** Who spent, and on what. */
export type Spender = {
  readonly member: string;
  /** Undefined: points were named. */
  readonly service: string | undefined;
  /** The entry that spent; of a hold its FREEZE. */
  readonly by: bigint;
};

/** Who spent by an entry; of a settle also what it took beyond its hold, which comes back first. */
export type Spent = Spender & { readonly beyond?: Spender & { readonly points: bigint } };

/** What an entry spends, and what comes back by it of what was spent. */
type Spending = Spender & { readonly spent: bigint; readonly back: bigint };

/** What an entry follows. */
type Before = {
  readonly books: Books<Micros | null>;
  readonly refundables: ReadonlyMap<bigint, Refundable>;
  readonly policies: PolicyBooks;
};

/**
 * Counts what an entry spends against the limits.
 *
 * @param before not yet with the entry
 * @returns whether a limit is reached by it, and so may have stopped it; and its flaw, if it passes one:
 * only a Settle may, that owes
 */
export function replayLimits(
  before: Before,
  entry: Entry,
): { readonly isReached: boolean; readonly flaw: string | undefined } {
  let isReached = false;
  let flaw: string | undefined;
  const all = before.policies.size === 0 ? [] : spendingOf(before, entry);
  for (const [name, { rule, ended, counts }, spending] of pairsOf(before.policies, all)) {
    const key = ended ? undefined : keyOf(rule, spending);
    if (key === undefined) continue;
    const { points, window } = rule as Limit;
    const old = counts.get(key);
    const count = countAfter(old, spending, { entry, window });
    if (count !== undefined && count !== old) counts.set(key, count);
    const sum = count !== undefined && isOpen(count, entry.time) ? count.spent : 0n;
    if (sum >= points) isReached = true;
    if (sum > points && spending.spent > 0n && entry.kind !== "settle") {
      flaw ??= `passes limit ${name}: ${sum} points of ${points}`;
    }
  }
  return { isReached, flaw };
}

function* pairsOf(policies: PolicyBooks, all: readonly Spending[]) {
  for (const spending of all) {
    for (const [name, policy] of policies) yield [name, policy, spending] as const;
  }
}

/** Who spends by an entry, or spent what comes back by it; undefined: nobody, or it has a flaw. */
export function spenderOf(
  { books, refundables }: Omit<Before, "policies">,
  { kind, sequence, member, usage, refersTo, fromBalance, owed }: Entry,
): Spent | undefined {
  switch (kind) {
    case "consume":
    case "freeze":
      return { member, service: usage?.service, by: sequence };
    case "extend":
    case "settle":
    case "release": {
      const hold = refersTo === null ? undefined : books.holds.get(refersTo);
      if (hold === undefined) return undefined;
      const spender = { member: hold.member, service: hold.service, by: refersTo! };
      if (kind !== "settle") return spender;
      const service = hold.service ?? usage?.service;
      const beyond = { ...spender, service, by: sequence, points: fromBalance + owed };
      return { ...spender, beyond };
    }
    case "refund":
      return refersTo === null ? undefined : refundables.get(refersTo)?.spender;
    default:
      return undefined;
  }
}

function spendingOf(before: Before, entry: Entry): readonly Spending[] {
  const { kind, points, returned, refersTo } = entry;
  const spender = spenderOf(before, entry);
  if (spender === undefined) return [];
  const { beyond } = spender;
  if (kind === "settle") {
    const more = { ...beyond!, spent: beyond!.points, back: 0n };
    return [more, { ...spender, spent: 0n, back: returned }];
  }
  if (kind !== "release" && kind !== "refund") return [{ ...spender, spent: points, back: 0n }];
  if (beyond === undefined) return [{ ...spender, spent: 0n, back: points }];
  const { refunded } = before.refundables.get(refersTo!)!;
  const left = beyond.points > refunded ? beyond.points - refunded : 0n;
  const first = left < points ? left : points;
  return [
    { ...beyond, spent: 0n, back: first },
    { ...spender, spent: 0n, back: points - first },
  ];
}

function keyOf(rule: Rule, { member, service }: Spender): string | undefined {
  if (rule.kind !== "limit") return undefined;
  const binds =
    (rule.service === "" || rule.service === service) &&
    (rule.member === "" || rule.member === member) &&
    (!rule.eachMember || member !== "");
  return binds ? (rule.eachMember ? member : "") : undefined;
}

function countAfter(
  old: Count | undefined,
  { spent, back, by }: Spending,
  { entry, window }: { readonly entry: Entry; readonly window: Limit["window"] },
): Count | undefined {
  const { sequence, time } = entry;
  const open = old !== undefined && isOpen(old, time) ? old : undefined;
  if (spent > 0n) {
    const fresh = { since: sequence, until: endOfWindow(window, time), spent: 0n };
    const { since, until, spent: before } = open ?? fresh;
    return { since, until, spent: before + spent };
  }
  if (back === 0n || open === undefined || by < open.since) return old;
  return { ...open, spent: open.spent > back ? open.spent - back : 0n };
}

function isOpen({ until }: Count, time: Micros): boolean {
  return until === null || time < until;
}

/** What a limit has counted when it is set: what the one before it has, if only its points differ. */
export function countsOf(
  before: BookedPolicy | undefined,
  { rule, sequence }: { readonly rule: Rule; readonly sequence: bigint },
): Pick<BookedPolicy, "countsFrom" | "counts"> {
  const isOther = before === undefined || before.ended || whatOf(before.rule) !== whatOf(rule);
  if (isOther) return { countsFrom: sequence, counts: new Map() };
  const { countsFrom, counts } = before;
  return { countsFrom, counts };
}

function whatOf(rule: Rule): string {
  if (rule.kind !== "limit") return "";
  const { window, member, eachMember, service } = rule;
  const { unit = "", timeZone = "" } = window.kind === "calendar" ? window : {};
  return [window.kind, unit, timeZone, member, eachMember, service].join("\n");
}

/** Compares the rows of a limit's counts with what the journal says was spent. */
export function flawOfCounts(policy: BookedPolicy, row: PolicyState): string | undefined {
  const { name } = row;
  if (row.countsFrom !== policy.countsFrom) {
    return `limit ${name} counts from entry ${row.countsFrom}, and not from ${policy.countsFrom}`;
  }
  const stored = row.counts.base;
  for (const key of new Set([...policy.counts.keys(), ...stored.keys()])) {
    const [is, says] = [policy.counts.get(key), stored.get(key)];
    if (is?.since === says?.since && is?.until === says?.until && is?.spent === says?.spent)
      continue;
    return `limit ${name} has counted ${said(says)}, the entries make it ${said(is)}`;
  }
}

function said(count: Count | undefined): string {
  if (count === undefined) return "nothing";
  const { since, until, spent } = count;
  return `${spent} points from entry ${since} until ${until}`;
}
