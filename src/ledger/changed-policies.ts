import { allCounts, type Count, countOf } from "./counts.ts";
import type { PolicyState } from "./policy.ts";
import type { AccountState } from "./state.ts";

/** What a batch changed of accounts' policies. */
export type ChangedPolicies = {
  /** Policies that are new, or stand elsewhere than before. */
  readonly policies: readonly (PolicyState & { readonly userId: string })[];
  /** What members have spent of limits for each. */
  readonly counts: readonly MemberCount[];
  /** Policies that are no more. */
  readonly gone: readonly { readonly userId: string; readonly name: string }[];
};

type MemberCount = {
  readonly userId: string;
  readonly name: string;
  readonly member: string;
  readonly count: Count;
};

/** Compares the policies of changed accounts with those before. */
export function changedPolicies(
  changed: readonly AccountState[],
  before: ReadonlyMap<string, AccountState>,
): ChangedPolicies {
  const policies: ChangedPolicies["policies"][number][] = [];
  const counts: MemberCount[] = [];
  const gone: ChangedPolicies["gone"][number][] = [];
  for (const state of changed) {
    const { userId } = state.account;
    const old = before.get(userId)?.policies ?? [];
    if (state.policies === old || state.policies.length + old.length === 0) continue;
    const oldByName = new Map(old.map((policy) => [policy.name, policy]));
    for (const policy of state.policies) {
      const was = oldByName.get(policy.name);
      oldByName.delete(policy.name);
      if (policy === was) continue;
      if (was === undefined || !standsAlike(policy, was)) policies.push({ ...policy, userId });
      for (const [member, count] of allCounts(policy.counts)) {
        if (member === "" || count === (was && countOf(was.counts, member))) continue;
        counts.push({ userId, name: policy.name, member, count });
      }
    }
    for (const name of oldByName.keys()) gone.push({ userId, name });
  }
  return { policies, counts, gone };
}

/** Whether two policies are equal but for what members have spent. */
function standsAlike(a: PolicyState, b: PolicyState): boolean {
  return (
    a.sequence === b.sequence &&
    a.ended === b.ended &&
    a.next === b.next &&
    a.given === b.given &&
    countOf(a.counts, "") === countOf(b.counts, "")
  );
}
