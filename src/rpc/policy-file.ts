import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { BadRequestSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { PolicySchema } from "../../gen/points/v1/policy_pb.ts";
import { readText } from "../config/reload.ts";
import { UserError } from "../errors/user-error.ts";
import { type FirstPolicy, MAX_FIRST_POLICIES } from "../ledger/first-policies.ts";
import { isRejection } from "../ledger/rejection.ts";
import { ruleFrom } from "../ledger/set-policy.ts";
import type { Violation } from "./counts.ts";
import { toPolicy } from "./policy-messages.ts";
import { checkMessage, JsonInvalid } from "./strict-json.ts";
import { violationsOf } from "./validate.ts";
import { isObject, parseYaml } from "./yaml-file.ts";

/** Names mistakes in a file of policies, each with its place. */
export class PoliciesError extends UserError {}

/**
 * Reads the policies that every new account gets, and checks all of the file.
 *
 * @param path undefined: there are none
 * @returns them by name
 * @throws {PoliciesError}
 */
export function readFirstPolicies(path: string | undefined): readonly FirstPolicy[] {
  if (path === undefined) return [];
  let text: string;
  try {
    text = readText(path);
  } catch (cause) {
    throw new PoliciesError(`cannot read the policies ${path}`, { cause });
  }
  return parseFirstPolicies(text, path);
}

/**
 * Parses the text of a file of policies: YAML with a map `policies` of names to rules, which are
 * Policy of the contract in protobuf's JSON.
 *
 * @param file its name, for errors
 * @throws {PoliciesError}
 */
export function parseFirstPolicies(text: string, file: string): readonly FirstPolicy[] {
  const refuse = (why: string, cause?: unknown) => new PoliciesError(`${file} ${why}`, { cause });
  const { policies, ...others } = parseYaml(text, refuse);
  const [other] = Object.keys(others);
  if (other !== undefined) throw refuse(`has ${other}: it takes policies, and nothing else`);
  if (!isObject(policies)) throw refuse("must have policies: a map of names to rules");
  const named = Object.entries(policies);
  if (named.length > MAX_FIRST_POLICIES) {
    throw refuse(`has ${named.length} policies: it takes ${MAX_FIRST_POLICIES}`);
  }
  const wrong: string[] = [];
  const read = named.flatMap(([name, json]) => {
    const place = `policies[${JSON.stringify(name)}]`;
    const result = readPolicy(name, json);
    if ("policy" in result) return [result.policy];
    for (const { field, description } of result.wrong) {
      wrong.push(`${[place, field].filter(Boolean).join(".")} ${description}`);
    }
    return [];
  });
  if (wrong.length > 0) throw new PoliciesError(`${file}: ${wrong.join("; ")}`);
  return read.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

type Result = { readonly policy: FirstPolicy } | { readonly wrong: readonly Violation[] };

/** One policy; or what is wrong with it, by fields of Policy. */
function readPolicy(name: string, json: JsonValue): Result {
  const flaw = flawOfJson(json);
  if (flaw !== undefined) return { wrong: [flaw] };
  const message = fromJson(PolicySchema, { ...(json as JsonObject), name });
  const violations = violationsOf(PolicySchema, message);
  if (violations.length > 0) return { wrong: violations };
  try {
    const policy = toPolicy(message);
    const { rule } = policy;
    if (rule.kind === "allowance" && rule.startTime !== undefined) {
      const description = "is left out here: an account's allowance begins when it is made";
      return { wrong: [{ field: "allowance.start_time", description }] };
    }
    // An allowance may have ended by the time that an account is made: it then gets none.
    const checked = ruleFrom(rule, 0n);
    if (!isRejection(checked)) return { policy };
    if (checked.reason !== "FIELD_INVALID") throw new Error(`a rule is refused: ${checked.reason}`);
    return { wrong: [inPolicy(checked)] };
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const [details] = error.findDetails(BadRequestSchema);
    return { wrong: details!.fieldViolations.map(inPolicy) };
  }
}

function flawOfJson(json: JsonValue): Violation | undefined {
  if (isObject(json) && json["name"] !== undefined) {
    return { field: "name", description: "is left out here: its key is its name" };
  }
  try {
    checkMessage(PolicySchema, json, "");
  } catch (error) {
    if (!(error instanceof JsonInvalid)) throw error;
    return error;
  }
}

/** A field as Policy has it, of one as PutPolicyRequest does. */
function inPolicy({ field, description }: Violation): Violation {
  return { field: field.replace(/^policy\./, ""), description };
}
