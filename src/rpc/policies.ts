import type { ServiceImpl } from "@connectrpc/connect";
import type { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { accountNotFound } from "../errors/api-error.ts";
import { statusOf } from "../ledger/limit.ts";
import type { PolicyState } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";
import { readPolicies } from "../store/reads/policies.ts";
import { toMutationAnswer } from "./answers.ts";
import { type Backend, committing } from "./points.ts";
import { toPolicyMessage, toStanding } from "./policy-messages.ts";
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
      const read = await readPolicies(backend.orm, userId);
      if (read === undefined) throw accountNotFound(userId);
      const current = read.policies.filter(({ ended }) => !ended);
      return { policies: current.map((policy) => toStatus(policy, read.time)) };
    },
  };
}

function toStatus(policy: PolicyState, now: Micros) {
  const { sequence, next, rule } = policy;
  const time = next?.time ?? null;
  return {
    policy: toPolicyMessage(policy),
    sequence,
    ...(time !== null && { nextTime: toTimestamp(time) }),
    ...(rule.kind === "limit" && toStanding(statusOf(policy, rule, { key: "", now }))),
  };
}
