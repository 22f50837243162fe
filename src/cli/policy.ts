import {
  DeletePolicyResponseSchema,
  ListPoliciesResponseSchema,
  type PolicyStatus,
  PutPolicyResponseSchema,
} from "../../gen/points/v1/policies_pb.ts";
import type { Policy } from "../../gen/points/v1/policy_pb.ts";
import { readArguments, required, WrongUsage } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { answerText } from "./entry-table.ts";
import { RULE_OPTIONS, ruleOf } from "./policy-rule.ts";
import { ruleText } from "./policy-text.ts";
import { REQUEST_OPTIONS, requestOf } from "./request-options.ts";
import { table } from "./table.ts";
import { timeText } from "./time-text.ts";

/** `points policy put`, `delete` and `list`: what an account does by itself. */
export async function runPolicy([action, ...args]: readonly string[]): Promise<void> {
  switch (action) {
    case "put":
      return putPolicy(args);
    case "delete":
      return deletePolicy(args);
    case "list":
      return listPolicies(args);
    case undefined:
      throw new WrongUsage("put, delete or list is missing");
    default:
      throw new WrongUsage(`policy takes put, delete or list, and not ${action}`);
  }
}

async function putPolicy(args: readonly string[]): Promise<void> {
  const options = { ...CLIENT_OPTIONS, ...RULE_OPTIONS, ...REQUEST_OPTIONS };
  const { values, positionals } = readArguments(args, options, ["USER", "NAME"]);
  const request = {
    userId: required(positionals[0], "USER"),
    ...requestOf(values),
    policy: { name: required(positionals[1], "NAME"), rule: ruleOf(values) },
  };
  await withClient(values.server, async (_, policies) => {
    const answer = await policies.putPolicy(request);
    if (values.json === true) return printJson(asJson(PutPolicyResponseSchema, answer));
    console.log(answerText(answer, request));
  });
}

async function deletePolicy(args: readonly string[]): Promise<void> {
  const options = { ...CLIENT_OPTIONS, ...REQUEST_OPTIONS };
  const { values, positionals } = readArguments(args, options, ["USER", "NAME"]);
  const request = {
    userId: required(positionals[0], "USER"),
    ...requestOf(values),
    name: required(positionals[1], "NAME"),
  };
  await withClient(values.server, async (_, policies) => {
    const answer = await policies.deletePolicy(request);
    if (values.json === true) return printJson(asJson(DeletePolicyResponseSchema, answer));
    console.log(answerText(answer, request));
  });
}

async function listPolicies(args: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(args, CLIENT_OPTIONS, ["USER"]);
  const userId = required(positionals[0], "USER");
  await withClient(values.server, async (_, policies) => {
    const answer = await policies.listPolicies({ userId });
    if (values.json === true) return printJson(asJson(ListPoliciesResponseSchema, answer));
    const hasNone = answer.policies.length === 0;
    console.log(hasNone ? `${userId} has no policies` : policyTable(answer.policies));
  });
}

function policyTable(policies: readonly PolicyStatus[]): string {
  return table(
    [
      { title: "policy" },
      { title: "rule" },
      { title: "set by" },
      { title: "gives next (UTC)" },
      { title: "spent", toRight: true },
      { title: "resets (UTC)" },
    ],
    policies.flatMap(({ policy, sequence, ...status }) =>
      policy === undefined
        ? []
        : [[policy.name, ruleText(policy), `#${sequence}`, ...standing(policy, status)]],
    ),
  );
}

/** Where a policy stands: when it gives next, what was spent, and when that begins anew. */
function standing(
  { rule }: Policy,
  { nextTime, spent, resetsTime }: Omit<PolicyStatus, "policy" | "sequence">,
): readonly string[] {
  if (rule.case === "allowance") return [timeText(nextTime)];
  if (rule.case !== "limit") return [];
  // Each member has a count of their own, which a list does not show.
  if (rule.value.eachMember) return [];
  return ["", String(spent), timeText(resetsTime)];
}
