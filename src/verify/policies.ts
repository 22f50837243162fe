import type { Figures } from "../ledger/account.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Count } from "../ledger/counts.ts";
import type { PolicyState, Rule } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";
import type { Books } from "./books.ts";
import { firstLeft, firstOf, flawOfGiven, flawOfMissed, nextAfter } from "./allowances.ts";
import { startOfPeriod } from "./calendar.ts";
import { countsOf, flawOfCounts } from "./limits.ts";

/** The policies of an account, as its journal has set them so far, by name. */
export type PolicyBooks = Map<string, BookedPolicy>;

/** A policy, and how far the journal has brought it. */
export type BookedPolicy = {
  readonly rule: Rule;
  readonly ended: boolean;
  /** The SET_POLICY entry that set or ended it. */
  readonly sequence: bigint;
  /** The number of the first period of an allowance that may still be given. */
  next: number;
  /** When the points expire of the last period that left no trace; null: none did since. */
  leftOut: Micros | null;
  /** The lots of an allowance whose expiry wakes nobody. */
  readonly quietLots: Set<bigint>;
  /** Of a limit: the SET_POLICY entry from which it counts, and what it has counted, by member. */
  readonly countsFrom: bigint;
  readonly counts: Map<string, Count>;
};

/** What an entry follows. */
export type Before = {
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
    flawOfMissed(policies, books, before, entry) ??
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
    const quietLots = new Set<bigint>();
    policies.set(name, { ...before, ended: true, sequence, next, quietLots });
    return;
  }
  policies.set(name, {
    rule,
    ended: false,
    sequence,
    next: firstOf(rule, before, time),
    leftOut: null,
    quietLots: new Set(),
    ...countsOf(before, { rule, sequence }),
  });
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
    const isTooLate = start !== null && period > last;
    if (period < policy.next || isTooLate || start !== startOfPeriod(rule, period)) {
      return `allowance ${name} has period ${period} as its next, and not ${policy.next}`;
    }
  }
  const [other] = byName.keys();
  return other === undefined ? undefined : `policy ${other} is set by no entry`;
}

function isSameRule(a: Rule, b: Rule): boolean {
  const text = (rule: Rule) =>
    JSON.stringify(rule, (_, value) => (typeof value === "bigint" ? `${value}` : value));
  return text(a) === text(b);
}
