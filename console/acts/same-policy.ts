import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { type PolicyStatus, PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { transport } from "../app/transport.ts";
import type { Mutation } from "./mutation.ts";

const policies = createClient(PolicyService, transport);

/** Somebody has set or ended a policy since a form was opened on it, or on there being none. */
export class PolicyChanged extends Error {
  readonly policy: string;
  /** The entry that set the policy of that name that there is now; undefined: there is none. */
  readonly setBy: bigint | undefined;

  constructor(policy: string, setBy: bigint | undefined) {
    super("the policy is another one by now");
    this.policy = policy;
    this.setBy = setBy;
  }
}

/**
 * Reads the policy that a request sets or ends, which is named and has no hash to expect. Between this
 * and the request there is a moment in which it may still change: what was done says so then.
 *
 * @param opened what the form was opened on; undefined: there was none of the name
 * @throws PolicyChanged if it is another one
 */
export async function ensureSamePolicy(
  mutation: Mutation,
  opened: PolicyStatus | undefined,
): Promise<void> {
  const name = policyNamedIn(mutation);
  if (name === undefined) return;
  const found = await policyNow(mutation.value.userId, name);
  if (found?.sequence !== opened?.sequence) throw new PolicyChanged(name, found?.sequence);
}

/** The policy that a request sets or ends; undefined: it does something else. */
export function policyNamedIn(mutation: Mutation): string | undefined {
  if (mutation.case === "deletePolicy") return mutation.value.name;
  return mutation.case === "putPolicy" ? mutation.value.policy?.name : undefined;
}

async function policyNow(userId: string, name: string): Promise<PolicyStatus | undefined> {
  try {
    const { policies: all } = await policies.listPolicies({ userId });
    return all.find(({ policy }) => policy?.name === name);
  } catch (error) {
    if (ConnectError.from(error).code === Code.NotFound) return undefined;
    throw error;
  }
}
