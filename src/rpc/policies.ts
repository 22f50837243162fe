import type { ServiceImpl } from "@connectrpc/connect";
import type { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { accountNotFound } from "../errors/api-error.ts";
import type { PolicyState } from "../ledger/policy.ts";
import { readPolicies } from "../store/reads/policies.ts";
import { toMutationAnswer } from "./answers.ts";
import { type Backend, committing } from "./points.ts";
import { toPolicyMessage } from "./policy-messages.ts";
import { toTimestamp } from "./timestamps.ts";

/** The handlers of PolicyService. Its mutations go the way of those of PointsService. */
export function policyService(backend: Backend): ServiceImpl<typeof PolicyService> {
  const { run } = committing(backend);
  return {
    async putPolicy(value, context) {
      return toMutationAnswer(await run({ case: "putPolicy", value }, context));
    },
    async deletePolicy(value, context) {
      return toMutationAnswer(await run({ case: "deletePolicy", value }, context));
    },
    async listPolicies({ userId }) {
      const policies = await readPolicies(backend.orm, userId);
      if (policies === undefined) throw accountNotFound(userId);
      return { policies: policies.filter(({ ended }) => !ended).map(toStatus) };
    },
  };
}

function toStatus(policy: PolicyState) {
  const { sequence, next, counts } = policy;
  const count = counts.get("");
  const time = next?.time ?? null;
  const until = count?.until ?? null;
  return {
    policy: toPolicyMessage(policy),
    sequence,
    ...(time !== null && { nextTime: toTimestamp(time) }),
    ...(count !== undefined && { spent: count.spent }),
    ...(until !== null && { resetsTime: toTimestamp(until) }),
  };
}
