import fc from "fast-check";
import type { AllowanceLife, CalendarUnit, Policy, Rule, Window } from "../../src/ledger/policy.ts";
import { type Fields, itemsIn, messageIn, numberIn, optionalIn, textIn } from "./tagged-fields.ts";

// Policies of entries, at random, and read back from what is hashed of them.

/** A policy as an entry says; without a rule: it ended. */
type Said = Pick<Policy, "name"> & { readonly rule: Rule | null };

const UNITS: readonly CalendarUnit[] = ["day", "week", "month", "year"];

/** A policy with all that one can say. */
export function randomPolicies(): fc.Arbitrary<Said> {
  const points = fc.bigInt({ min: 0n, max: 2n ** 53n });
  const positive = fc.bigInt({ min: 1n, max: 2n ** 53n });
  const words = fc.constantFrom("a", "b", "Europe/Berlin", "7");
  const unit = fc.constantFrom(...UNITS);
  const kind = <Kind extends string>(name: Kind) => fc.constant(name);
  const life: fc.Arbitrary<AllowanceLife> = fc.oneof(
    fc.record({ kind: kind("periods"), count: fc.integer({ min: 1, max: 100 }) }),
    fc.record({ kind: kind("ttl"), ttl: positive }),
    fc.record({ kind: kind("never") }),
  );
  const window: fc.Arbitrary<Window> = fc.oneof(
    fc.record({ kind: kind("calendar"), unit, timeZone: words }),
    fc.record({ kind: kind("total") }),
  );
  const rule: fc.Arbitrary<Rule> = fc.oneof(
    fc.record({
      kind: kind("allowance"),
      points: positive,
      every: fc.record({ count: fc.integer({ min: 1, max: 1_000 }), unit }),
      startTime: positive,
      timeZone: words,
      life,
      priority: fc.integer({ min: 0, max: 1_000 }),
      category: fc.constantFrom("", "gift"),
      services: fc.uniqueArray(words, { maxLength: 3 }),
      endTime: fc.option(positive),
    }),
    fc.record({
      kind: kind("limit"),
      points,
      window,
      member: fc.constantFrom("", "bea"),
      eachMember: fc.boolean(),
      service: fc.oneof(kind(""), words),
    }),
    fc.record({ kind: kind("alert"), below: fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }) }),
    fc.record({ kind: kind("creditLine"), points }),
  );
  return fc.record({ name: words, rule: fc.option(rule) });
}

/** Reads a policy of an entry that is about this member. */
export function policyIn(fields: Fields, member: string): Said {
  return { name: textIn(fields, 1), rule: ruleIn(fields, member) };
}

function ruleIn(policy: Fields, member: string): Rule | null {
  if (policy.has(2)) {
    const fields = messageIn(policy, 2);
    const every = messageIn(fields, 2);
    return {
      kind: "allowance",
      points: numberIn(fields, 1),
      every: { count: Number(numberIn(every, 1)), unit: unitIn(every, 2) },
      startTime: numberIn(fields, 3),
      timeZone: textIn(fields, 4),
      life: lifeIn(fields),
      priority: Number(numberIn(fields, 8)),
      category: textIn(fields, 9),
      services: itemsIn(fields, 10).items.map(String),
      endTime: optionalIn(fields, 11),
    };
  }
  if (policy.has(3)) {
    const fields = messageIn(policy, 3);
    const points = numberIn(fields, 1);
    const [eachMember, service] = [fields.has(4), textIn(fields, 5)];
    const window = windowIn(messageIn(fields, 2));
    return { kind: "limit", points, window, member, eachMember, service };
  }
  if (policy.has(4)) return { kind: "alert", below: numberIn(messageIn(policy, 4), 1) };
  if (policy.has(5)) return { kind: "creditLine", points: numberIn(messageIn(policy, 5), 1) };
  return null;
}

function lifeIn(fields: Fields): AllowanceLife {
  if (fields.has(7)) return { kind: "never" };
  if (fields.has(6)) return { kind: "ttl", ttl: numberIn(fields, 6) / 1_000n };
  return { kind: "periods", count: Number(numberIn(fields, 5)) };
}

function windowIn(fields: Fields): Window {
  if (fields.has(2)) return { kind: "total" };
  return { kind: "calendar", unit: unitIn(fields, 1), timeZone: textIn(fields, 3) };
}

function unitIn(fields: Fields, tag: number): CalendarUnit {
  return UNITS[Number(numberIn(fields, tag)) - 1]!;
}
