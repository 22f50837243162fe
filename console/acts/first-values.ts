import type { PolicyStatus } from "../../gen/points/v1/policies_pb.ts";
import type { Allowance, Limit } from "../../gen/points/v1/policy_pb.ts";
import type { Act } from "../parts/acts.ts";
import { unitNameOf } from "../parts/calendar-units.ts";
import { daysOf, localTimeOf, NO_VALUES, type Values } from "./values.ts";

/**
 * What a form says when it opens: what is usual, or the policy as it is.
 *
 * @param zone of the browser, by its IANA name
 */
export function firstValues(
  act: Act,
  { actor, zone, changed }: { actor: string; zone: string; changed?: PolicyStatus | undefined },
): Values {
  const values = { ...NO_VALUES, actor };
  switch (act) {
    case "recharge":
      return { ...values, expires: "days" };
    case "policy":
      return { ...values, ...policyValues(zone, changed) };
    default:
      return values;
  }
}

function policyValues(zone: string, changed: PolicyStatus | undefined): Partial<Values> {
  const usual = { unit: "month", window: "month", whose: "all", expires: "periods" };
  const rule = changed?.policy?.rule;
  const { name = "" } = changed?.policy ?? {};
  switch (rule?.case) {
    case "allowance":
      return { ...usual, name, rule: "allowance", ...allowanceValues(rule.value, changed) };
    case "limit":
      return { ...usual, name, rule: "limit", ...limitValues(rule.value) };
    case "alert":
      return { ...usual, name, rule: "alert", points: String(rule.value.below) };
    case "creditLine":
      return { ...usual, name, rule: "creditLine", points: String(rule.value.points) };
    case undefined:
      return { ...usual, rule: "allowance", timeZone: zone, count: "1", periods: "1" };
  }
}

// Its first period is to be the next one that the policy would have begun by itself.
function allowanceValues(allowance: Allowance, changed: PolicyStatus | undefined): Partial<Values> {
  const { points, every, timeZone, expiration, priority, category, services, endTime } = allowance;
  return {
    points: String(points),
    count: String(every?.count || 1),
    unit: unitNameOf(every?.unit) ?? "month",
    startTime: changed?.nextTime ? localTimeOf(changed.nextTime) : "",
    endTime: endTime ? localTimeOf(endTime) : "",
    timeZone,
    ...lifeValues(expiration),
    priority: String(priority),
    category,
    services: services.join(" "),
  };
}

function lifeValues(expiration: Allowance["expiration"]): Partial<Values> {
  switch (expiration.case) {
    case "never":
      return { expires: "never" };
    case "ttl":
      return { expires: "days", days: daysOf(expiration.value) };
    case "periods":
      return { expires: "periods", periods: String(expiration.value) };
    default:
      return { expires: "periods", periods: "1" };
  }
}

function limitValues({ points, window, member, eachMember, service }: Limit): Partial<Values> {
  const { span, timeZone = "" } = window ?? {};
  return {
    points: String(points),
    window: span?.case === "total" ? "total" : (unitNameOf(span?.value) ?? "month"),
    timeZone,
    whose: eachMember ? "each" : member === "" ? "all" : "member",
    member,
    service,
  };
}
