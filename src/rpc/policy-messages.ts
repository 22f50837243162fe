import { create } from "@bufbuild/protobuf";
import {
  type Allowance as AllowanceMessage,
  CalendarUnit as CalendarUnitMessage,
  type Limit as LimitMessage,
  type Policy as PolicyMessage,
  PolicySchema,
} from "../../gen/points/v1/policy_pb.ts";
import { invalidField } from "../errors/api-error.ts";
import type { AskedRule, PutPolicy } from "../ledger/command.ts";
import type { LimitStatus } from "../ledger/limit.ts";
import { isScoped } from "../ledger/lot.ts";
import type { Allowance, AllowanceLife, CalendarUnit, Limit, Rule } from "../ledger/policy.ts";
import { toServices, toTtl } from "./fields.ts";
import { instantOf, toDuration, toTimestamp } from "./timestamps.ts";

// Translation of policies between protobuf and the ledger.

/**
 * Translates a policy that is to be set.
 *
 * @throws FIELD_INVALID
 */
export function toPolicy({ name, rule }: PolicyMessage): Pick<PutPolicy, "name" | "rule"> {
  switch (rule.case) {
    case undefined:
      throw invalidField("policy.rule", "is required");
    case "allowance":
      return { name, rule: toAllowance(rule.value) };
    case "limit":
      return { name, rule: toLimit(rule.value) };
    case "alert":
      return { name, rule: { kind: "alert", below: rule.value.below } };
    case "creditLine":
      return { name, rule: { kind: "creditLine", points: rule.value.points } };
  }
}

function toAllowance(allowance: AllowanceMessage): AskedRule {
  const { points, every, timeZone, priority, category } = allowance;
  const services = toServices(allowance.services, "policy.allowance.services");
  return {
    kind: "allowance",
    points,
    every: { count: every!.count || 1, unit: UNIT_NAMES.get(every!.unit)! },
    startTime: instantOf(allowance.startTime, "policy.allowance.start_time"),
    timeZone: timeZone || UTC,
    life: toLife(allowance),
    priority,
    category,
    services,
    endTime: instantOf(allowance.endTime, "policy.allowance.end_time") ?? null,
  };
}

const UTC = "UTC";

function toLife({ expiration }: AllowanceMessage): AllowanceLife {
  switch (expiration.case) {
    case undefined:
      return { kind: "periods", count: 1 };
    case "periods":
      return { kind: "periods", count: expiration.value };
    case "ttl":
      return { kind: "ttl", ttl: toTtl(expiration.value, "policy.allowance.ttl") };
    case "never":
      return { kind: "never" };
  }
}

function toLimit({ points, window, member, eachMember, service }: LimitMessage): Limit {
  if (eachMember && member !== "") {
    throw invalidField("policy.limit.each_member", "cannot be with a member");
  }
  const { span, timeZone } = window!;
  if (span.case !== "calendar" && timeZone !== "") {
    throw invalidField("policy.limit.window.time_zone", "is only for a calendar");
  }
  const over =
    span.case === "calendar"
      ? ({
          kind: "calendar",
          unit: UNIT_NAMES.get(span.value)!,
          timeZone: timeZone || UTC,
        } as const)
      : ({ kind: "total" } as const);
  return { kind: "limit", points, window: over, member, eachMember, service };
}

/** A policy in protobuf; without a rule: it ended. */
export function toPolicyMessage({
  name,
  rule,
}: {
  readonly name: string;
  readonly rule: Rule | null;
}): PolicyMessage {
  return create(PolicySchema, { name, ...(rule !== null && { rule: toRuleMessage(rule) }) });
}

function toRuleMessage(rule: Rule) {
  switch (rule.kind) {
    case "allowance":
      return { case: rule.kind, value: allowanceFields(rule) } as const;
    case "limit":
      return { case: rule.kind, value: limitFields(rule) } as const;
    case "alert":
      return { case: rule.kind, value: { below: rule.below } } as const;
    case "creditLine":
      return { case: rule.kind, value: { points: rule.points } } as const;
  }
}

function allowanceFields(allowance: Allowance) {
  const { points, every, startTime, timeZone, life, priority, category, services } = allowance;
  const { endTime } = allowance;
  return {
    points,
    every: { count: every.count, unit: UNITS[every.unit] },
    startTime: toTimestamp(startTime),
    timeZone,
    expiration: toExpiration(life),
    priority,
    category,
    ...(isScoped(allowance) && { services: [...services] }),
    ...(endTime !== null && { endTime: toTimestamp(endTime) }),
  };
}

function toExpiration(life: AllowanceLife) {
  switch (life.kind) {
    case "periods":
      return { case: life.kind, value: life.count } as const;
    case "ttl":
      return { case: life.kind, value: toDuration(life.ttl * NANOS_PER_MICRO) } as const;
    case "never":
      return { case: life.kind, value: true } as const;
  }
}

const NANOS_PER_MICRO = 1_000n;

function limitFields({ points, window, member, eachMember, service }: Limit) {
  const over =
    window.kind === "total"
      ? { span: { case: window.kind, value: true } as const }
      : {
          span: { case: window.kind, value: UNITS[window.unit] } as const,
          timeZone: window.timeZone,
        };
  return { points, window: over, member, eachMember, service };
}

const UNITS: Record<CalendarUnit, CalendarUnitMessage> = {
  day: CalendarUnitMessage.DAY,
  week: CalendarUnitMessage.WEEK,
  month: CalendarUnitMessage.MONTH,
  year: CalendarUnitMessage.YEAR,
};

const UNIT_NAMES = new Map(
  Object.entries(UNITS).map(([name, unit]) => [unit, name as CalendarUnit]),
);

/** What was spent in a limit's window, and when that ends, in protobuf. */
export function toStanding({ spent, resetsTime }: Pick<LimitStatus, "spent" | "resetsTime">) {
  return { spent, ...(resetsTime !== undefined && { resetsTime: toTimestamp(resetsTime) }) };
}
