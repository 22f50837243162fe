import type { Command, PutPolicy } from "./command.ts";
import { type Applied, SYSTEM_CAUSE } from "./journal.ts";
import { isRejection } from "./rejection.ts";
import { putPolicy } from "./set-policy.ts";
import type { Micros } from "./time.ts";

/** A policy that every new account gets; an allowance begins when the account is made. */
export type FirstPolicy = Pick<PutPolicy, "name" | "rule">;

/** The most of them: an account has room for as many of its own. */
export const MAX_FIRST_POLICIES = 16;

/**
 * Sets the policies of a new account, after what the command did that made it. Their entries name
 * the command's caller, and no request. What the command sets itself stays; so does what has ended.
 *
 * @param made the account, with the command's own entry, which stays the answer
 */
export function setFirstPolicies(
  made: Applied,
  command: Command,
  { policies, now }: { readonly policies: readonly FirstPolicy[]; readonly now: Micros },
): Applied {
  const { userId, caller = "" } = command;
  const actor = command.kind === "open" ? "" : command.actor;
  const cause = { ...SYSTEM_CAUSE, request: undefined, caller, actor };
  let set = made;
  for (const { name, rule } of policies) {
    const isSet = set.state.policies.some((one) => one.name === name);
    const hasEnded = rule.kind === "allowance" && rule.endTime !== null && rule.endTime <= now;
    if (isSet || hasEnded) continue;
    const next = putPolicy(set, { kind: "putPolicy", userId, ...cause, name, rule }, now);
    if (isRejection(next)) throw new Error(`policy ${name} of a new account: ${next.reason}`);
    set = { ...next, entry: made.entry };
  }
  return set;
}
