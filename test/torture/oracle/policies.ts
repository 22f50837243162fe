import { create } from "@bufbuild/protobuf";
import { type Policy, PolicySchema } from "../../../gen/points/v1/policy_pb.ts";
import { INVALID, refused, type Refused } from "./refusals.ts";
import { type Draft, draftOf, type Replayed } from "./replay.ts";

// The policies of an account: credit lines and alerts, which are all that the load puts.

const POLICIES_MAX = 32;

/** The oracle's verdict on a PutPolicy. */
export function putPolicy(account: Replayed, { name, rule }: Policy): Draft | Refused {
  const { policies } = account;
  const before = policies.get(name);
  if (before !== undefined && before.rule.case !== rule.case) return INVALID;
  if (before === undefined && policies.size >= POLICIES_MAX) {
    return refused("ACCOUNT_FULL", { full: "policies", limit: POLICIES_MAX });
  }
  const policy = create(PolicySchema, { name, rule });
  return { ...draftOf("setPolicy", []), policy, change: () => void policies.set(name, policy) };
}

/** The oracle's verdict on a DeletePolicy. */
export function deletePolicy({ policies }: Replayed, name: string): Draft | Refused {
  if (!policies.has(name)) return refused("POLICY_NOT_FOUND", { name });
  const policy = create(PolicySchema, { name });
  return { ...draftOf("setPolicy", []), policy, change: () => void policies.delete(name) };
}

/** How much an account may owe: its largest credit line. */
export function creditLineOf({ policies }: Replayed): bigint {
  let most = 0n;
  for (const { rule } of policies.values()) {
    if (rule.case === "creditLine" && rule.value.points > most) most = rule.value.points;
  }
  return most;
}
