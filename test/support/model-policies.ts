import type { DeletePolicy, PutPolicy } from "../../src/ledger/command.ts";
import type { Rule } from "../../src/ledger/policy.ts";

/** A policy of an account of the naive model. */
export type ModelPolicy = {
  readonly name: string;
  readonly rule: Rule;
  /** The entry after which a limit counts. */
  readonly from: bigint;
};

/** A policy as its entry says; without a rule: it ended. */
export type Said = { readonly name: string; readonly rule: Rule | null };

/** The policies after a command, and what its entry says; or why it is refused. */
export function changePolicies(
  policies: readonly ModelPolicy[],
  command: PutPolicy | DeletePolicy,
  sequence: bigint,
): { readonly policies: readonly ModelPolicy[]; readonly said: Said } | string {
  const { name } = command;
  const before = policies.find((one) => one.name === name);
  const others = policies.filter((one) => one.name !== name);
  if (command.kind === "deletePolicy") {
    if (before === undefined) return "POLICY_NOT_FOUND";
    return { policies: others, said: { name, rule: null } };
  }
  const { rule } = command;
  if (rule.kind === "allowance") throw new Error("the model knows no allowances");
  if (before !== undefined && before.rule.kind !== rule.kind) return "FIELD_INVALID";
  if (others.length >= 32) return "ACCOUNT_FULL";
  const goesOn = before !== undefined && whatOf(before.rule) === whatOf(rule);
  const from = goesOn ? before.from : sequence;
  return { policies: [...others, { name, rule, from }], said: { name, rule } };
}

/** What a limit counts: all of it but its points. */
function whatOf(rule: Rule): string {
  return JSON.stringify({
    ...rule,
    ...(rule.kind === "creditLine" || rule.kind === "limit" ? { points: "" } : { below: "" }),
  });
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
