import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import type { PolicyStatus } from "../../gen/points/v1/policies_pb.ts";
import {
  type Allowance,
  CalendarUnit,
  type Every,
  type Limit,
  type Window,
} from "../../gen/points/v1/policy_pb.ts";
import { type Formats, useFormats } from "../app/formats.ts";
import { DAY_MS } from "../parts/days.ts";
import type { Distance } from "./distance.ts";
import { usePolicyWords } from "./policy-words.ts";
import { type Distances, useDistances } from "./use-distance.ts";

/** What a policy does, and where it stands, each in a sentence for a person. */
export function usePolicySentences(status: PolicyStatus, account: Account): string[] {
  const say = usePolicyWords();
  const formats = useFormats();
  const distances = useDistances();
  const speech: Speech = { say, formats, distances };
  const { points } = formats;
  const { rule } = status.policy!;
  switch (rule.case) {
    case "allowance":
      return ofAllowance(rule.value, status, speech);
    case "limit":
      return ofLimit(rule.value, status, speech);
    case "alert": {
      const { below } = rule.value;
      const stands = account.balance + account.frozen - account.debt;
      return [
        say("below", { points: points(below) }),
        say(stands < below ? "isBelow" : "isAbove", { points: points(stands) }),
      ];
    }
    case "creditLine":
      return [
        say("owes", { points: points(rule.value.points) }),
        account.debt > 0n ? say("owesNow", { points: points(account.debt) }) : say("owesNothing"),
      ];
    case undefined:
      return [say("unknown")];
  }
}

type Say = ReturnType<typeof usePolicyWords>;
type Speech = { readonly say: Say; readonly formats: Formats; readonly distances: Distances };

function ofAllowance(
  allowance: Allowance,
  { nextTime }: PolicyStatus,
  { say, formats, distances }: Speech,
): string[] {
  const { points, every, timeZone, expiration, category, services, endTime } = allowance;
  const sentences = [
    say("gives", {
      points: formats.points(points),
      every: everyOf(every, say),
      zone: zoneOf(timeZone, say),
    }),
  ];
  if (expiration.case === "never") sentences.push(say("livesEver"));
  else if (expiration.case === "ttl") {
    const ms = Number(expiration.value.seconds) * 1_000;
    sentences.push(say("livesFor", { length: distances.length(lengthOf(ms)) }));
  } else if (expiration.case === "periods" && expiration.value > 1) {
    sentences.push(say("livesPeriods", { count: expiration.value }));
  } else sentences.push(say("livesPeriod"));
  if (category !== "") sentences.push(say("ofCategory", { category }));
  if (services.length > 0) sentences.push(say("onlyServices", { services: services.join(", ") }));
  sentences.push(
    nextTime === undefined ? say("noNext") : say("nextTime", { time: formats.instant(nextTime) }),
  );
  if (endTime !== undefined && nextTime !== undefined) {
    sentences.push(say("lastBefore", { time: formats.instant(endTime) }));
  }
  return sentences;
}

function ofLimit(
  { points: most, window, member, eachMember, service }: Limit,
  { spent, resetsTime }: PolicyStatus,
  { say, formats }: Speech,
): string[] {
  const { points } = formats;
  const sentences = [
    most === 0n
      ? say("suspended")
      : say(windowKey(window), {
          points: points(most),
          zone: zoneOf(window?.timeZone ?? "", say),
        }),
  ];
  if (member !== "") sentences.push(say("ofMember", { member }));
  if (eachMember) sentences.push(say("ofEach"));
  if (service !== "") sentences.push(say("ofService", { service }));
  // Each member has a count of its own: see MemberCounts.
  if (!eachMember && most > 0n) {
    const left = most - spent;
    const values = { spent: points(spent), points: points(most), left: points(left) };
    sentences.push(say(left < 0n ? "overspent" : "spent", values));
  }
  if (resetsTime !== undefined && timestampMs(resetsTime) > 0) {
    sentences.push(say("resets", { time: formats.instant(resetsTime) }));
  }
  return sentences;
}

function everyOf(every: Every | undefined, say: Say): string {
  const count = Math.max(1, every?.count ?? 1);
  const unit = unitName(every?.unit ?? CalendarUnit.DAY);
  return count === 1 ? say(`every${unit}`) : say(`every${unit}s`, { count });
}

function windowKey(window: Window | undefined) {
  if (window?.span.case !== "calendar") return "inTotal";
  return `in${unitName(window.span.value)}` as const;
}

function unitName(unit: CalendarUnit) {
  switch (unit) {
    case CalendarUnit.WEEK:
      return "Week";
    case CalendarUnit.MONTH:
      return "Month";
    case CalendarUnit.YEAR:
      return "Year";
    default:
      return "Day";
  }
}

function zoneOf(zone: string, say: Say): string {
  return zone === "" ? "" : say("zone", { zone });
}

/** A length of time in the largest unit that it is a whole number of, from minutes to days. */
function lengthOf(ms: number): Distance {
  if (ms % DAY_MS === 0) return { count: ms / DAY_MS, unit: "day" };
  if (ms % 3_600_000 === 0) return { count: ms / 3_600_000, unit: "hour" };
  return { count: Math.round(ms / 6_000) / 10, unit: "minute" };
}
