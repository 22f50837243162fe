import { randomBytes } from "node:crypto";
import type { Rule } from "../../ledger/policy.ts";
import { fromPolicyText, toPolicyText } from "../batch/policy-text.ts";

/**
 * New names for the members of an account that is erased, made at random: each has one for all its
 * entries, holds and limits, so that what it has spent still counts for it, and a refund is still its.
 */
export type NewMembers = {
  /** The new name; empty for nobody. */
  readonly of: (member: string) => string;
  /** A policy of an entry or a row, with the new name of its limit's member. */
  readonly inPolicy: (text: string) => string;
};

/** Nobody has a new name yet: each is made when it is asked for. */
export function newMembers(): NewMembers {
  const names = new Map([["", ""]]);
  const of = (member: string) => {
    const known = names.get(member);
    if (known !== undefined) return known;
    const name = `erased-${randomBytes(12).toString("base64url")}`;
    names.set(member, name);
    return name;
  };
  const inPolicy = (text: string) => {
    const { name, rule } = fromPolicyText(text);
    return toPolicyText({ name, rule: rule === null ? null : ruleOf(rule, of) });
  };
  return { of, inPolicy };
}

function ruleOf(rule: Rule, of: NewMembers["of"]): Rule {
  return rule.kind === "limit" ? { ...rule, member: of(rule.member) } : rule;
}
