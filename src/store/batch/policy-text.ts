import type { Rule } from "../../ledger/policy.ts";

/** A policy as an entry has it. */
type NamedRule = { readonly name: string; readonly rule: Rule | null };

/** A policy as JSON, in a column of type text. Numbers of points and times are texts of digits. */
export function toPolicyText({ name, rule }: NamedRule): string {
  const policy = { name, rule };
  return JSON.stringify(policy, (_, value) => (typeof value === "bigint" ? `${value}` : value));
}

/**
 * Reads it.
 *
 * @throws if it is no JSON, or has no numbers where they belong
 */
export function fromPolicyText(text: string): NamedRule {
  return JSON.parse(text, (key, value) =>
    BIGINTS.has(key) && typeof value === "string" ? BigInt(value) : value,
  );
}

/** The fields of rules whose values are bigints. */
const BIGINTS: ReadonlySet<string> = new Set(["points", "startTime", "endTime", "ttl", "below"]);
