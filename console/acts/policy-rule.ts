import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import type { PolicyStatus } from "../../gen/points/v1/policies_pb.ts";
import {
  type AllowanceSchema,
  CalendarUnit,
  type LimitSchema,
  type Policy,
  PolicySchema,
} from "../../gen/points/v1/policy_pb.ts";
import { UNITS, type UnitName } from "../parts/calendar-units.ts";
import { categoryOf, servicesOf } from "./lot-values.ts";
import { daysOf, POINTS_MAX, type Reading } from "./values.ts";

/** 2^53 − 1. */
const TOTAL_MAX = 9_007_199_254_740_991n;

/**
 * Makes the policy of a form's values.
 *
 * @param changed the policy that was there when the form was opened
 */
export function policyOf(read: Reading, changed: PolicyStatus | undefined): Policy {
  const name = changed?.policy?.name ?? read.requiredText("name", { bytes: 64 });
  if (name !== "" && !/^[!-~]{1,64}$/.test(name)) read.fault("name", "plain");
  return create(PolicySchema, { name, rule: RULES[ruleNamed(read.values.rule)](read, changed) });
}

type Rule = NonNullable<MessageInitShape<typeof PolicySchema>["rule"]>;
export type RuleName = NonNullable<Policy["rule"]["case"]>;

// Each rule is named, so that a new one fails here until somebody says how it is typed in.
const RULES: Readonly<
  Record<RuleName, (read: Reading, changed: PolicyStatus | undefined) => Rule>
> = {
  allowance(read, changed) {
    const rule = changed?.policy?.rule;
    const before = rule?.case === "allowance" ? rule.value : undefined;
    const ttl = before?.expiration.case === "ttl" ? before.expiration.value : undefined;
    const kept = { startTime: changed?.nextTime, endTime: before?.endTime, ttl };
    return { case: "allowance", value: allowanceOf(read, kept) };
  },
  limit: (read) => ({ case: "limit", value: limitOf(read) }),
  alert: (read) => ({
    case: "alert",
    value: { below: read.requiredWhole("points", -TOTAL_MAX, TOTAL_MAX) },
  }),
  creditLine: (read) => ({
    case: "creditLine",
    value: { points: read.requiredWhole("points", 0n, TOTAL_MAX) },
  }),
};

/** The names of all rules, as a form offers them. */
export const RULE_NAMES = Object.keys(RULES) as readonly RuleName[];

/** The rule that a form's value names; an allowance, where it names none. */
export function ruleNamed(value: string): RuleName {
  return RULE_NAMES.find((name) => name === value) ?? "allowance";
}

type Kept = {
  readonly startTime: Timestamp | undefined;
  readonly endTime: Timestamp | undefined;
  readonly ttl: Duration | undefined;
};

/** @param kept what the form showed when it was opened, to the last digit */
function allowanceOf(read: Reading, kept: Kept): MessageInitShape<typeof AllowanceSchema> {
  const startTime = read.time("startTime", kept.startTime);
  const endTime = read.time("endTime", kept.endTime);
  return {
    points: read.requiredWhole("points", 1n, POINTS_MAX),
    every: { count: Number(read.whole("count", 1n, 1_000n) ?? 1n), unit: unitOf(read.values.unit) },
    timeZone: read.text("timeZone", { bytes: 64 }),
    expiration: lifeOf(read, kept.ttl),
    priority: Number(read.whole("priority", 0n, 1_000n) ?? 0n),
    category: categoryOf(read),
    services: servicesOf(read),
    ...(startTime && { startTime }),
    ...(endTime && { endTime }),
  };
}

function lifeOf(
  read: Reading,
  ttl: Duration | undefined,
): NonNullable<MessageInitShape<typeof AllowanceSchema>["expiration"]> {
  switch (read.values.expires) {
    case "never":
      return { case: "never", value: true };
    case "days":
      return { case: "ttl", value: ttlOf(read, ttl) };
    default:
      return { case: "periods", value: Number(read.whole("periods", 1n, 100n) ?? 1n) };
  }
}

const NO_TIME: Duration = { $typeName: "google.protobuf.Duration", seconds: 0n, nanos: 0 };

/** @param kept where the field still says as many days, it is meant to the last digit */
function ttlOf(read: Reading, kept: Duration | undefined): Duration {
  if (kept !== undefined && read.values.days === daysOf(kept)) return kept;
  return read.requiredDays("days") ?? NO_TIME;
}

function limitOf(read: Reading): MessageInitShape<typeof LimitSchema> {
  const { window, whose } = read.values;
  const isTotal = window === "total";
  const member = whose === "member" ? read.requiredText("member", { chars: 128 }) : "";
  const service = read.text("service", { bytes: 128 });
  if (service !== "" && !/^[!-~]+$/.test(service)) read.fault("service", "plain");
  return {
    points: read.requiredWhole("points", 0n, TOTAL_MAX),
    window: {
      span: isTotal ? { case: "total", value: true } : { case: "calendar", value: unitOf(window) },
      timeZone: isTotal ? "" : read.text("timeZone", { bytes: 64 }),
    },
    member,
    eachMember: whose === "each",
    service,
  };
}

function unitOf(name: string): CalendarUnit {
  return UNITS[name as UnitName] ?? CalendarUnit.MONTH;
}
