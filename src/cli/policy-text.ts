import {
  type Allowance,
  CalendarUnit,
  type Limit,
  type Policy,
  type Window,
} from "../../gen/points/v1/policy_pb.ts";
import { UNITS } from "./policy-rule.ts";
import { timeText } from "./time-text.ts";

/** The rule of a policy in a few words. */
export function ruleText({ rule }: Pick<Policy, "rule">): string {
  switch (rule.case) {
    case undefined:
      return "ended";
    case "allowance":
      return allowanceText(rule.value);
    case "limit":
      return limitText(rule.value);
    case "alert":
      return `alert below ${rule.value.below}`;
    case "creditLine":
      return `may owe ${rule.value.points}`;
  }
}

function allowanceText(allowance: Allowance): string {
  const { points, every, timeZone, services, startTime, endTime } = allowance;
  return [
    `${points} every ${unitsText(every?.count ?? 1, every?.unit)}`,
    `from ${timeText(startTime)}${zoneText(timeZone)}`,
    ...(endTime === undefined ? [] : [`until ${timeText(endTime)}`]),
    ...lifeText(allowance),
    ...(services.length === 0 ? [] : [`for ${services.join(", ")} alone`]),
  ].join(", ");
}

/** How long the points of a period live, if it is not the period alone. */
function lifeText({ expiration }: Allowance): readonly string[] {
  switch (expiration.case) {
    case "ttl":
      return [`each for ${lengthText(expiration.value)}`];
    case "never":
      return ["each for ever"];
    default: {
      const periods = expiration.value ?? 1;
      return periods === 1 ? [] : [`each for ${periods} periods`];
    }
  }
}

function limitText({ points, window, member, eachMember, service }: Limit): string {
  const who = eachMember ? " by each member" : member === "" ? "" : ` by ${member}`;
  const what = service === "" ? "" : ` on ${service}`;
  return `at most ${points} ${windowText(window)}${who}${what}`;
}

function windowText(window: Window | undefined): string {
  if (window?.span.case !== "calendar") return "in all";
  return `a ${unitsText(1, window.span.value)}${zoneText(window.timeZone)}`;
}

function zoneText(timeZone: string): string {
  return timeZone === "" || timeZone === "UTC" ? "" : ` (${timeZone})`;
}

function unitsText(count: number, unit: CalendarUnit | undefined): string {
  const name = UNIT_NAMES.get(unit ?? CalendarUnit.UNSPECIFIED) ?? "unknown unit";
  return count === 1 ? name : `${count} ${name}s`;
}

const UNIT_NAMES = new Map([...UNITS].map(([name, unit]) => [unit, name]));

/** A length in the largest unit that divides it. */
function lengthText({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }) {
  if (nanos !== 0) return `${Number(seconds) + nanos / 1e9}s`;
  const [size, name] = LENGTHS.find(([length]) => seconds % length === 0n)!;
  return `${seconds / size}${name}`;
}

const LENGTHS = [
  [86_400n, "d"],
  [3_600n, "h"],
  [60n, "m"],
  [1n, "s"],
] as const;
