import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type Allowance,
  type CalendarUnit,
  type Limit,
  type Policy,
  type Window,
} from "../../../gen/points/v1/policy_pb.ts";
import { isolated } from "../../app/isolated.ts";
import { unitNameOf } from "../calendar-units.ts";
import { fill, join, type Phrase, plain } from "./phrase.ts";
import { pointsOf, say, sayCount, type Voice } from "./voice.ts";

/** What a policy was set to, in words; of one that ended, that it did. */
export function policyPhrase(voice: Voice, { name, rule }: Policy): Phrase {
  if (rule.case === undefined) return say(voice, "policyEnded", { name });
  return say(voice, "policyPut", { name, rule: rulePhrase(voice, rule) });
}

/** What a rule does, as a sentence of its own. Empty: this page does not know the rule. */
export function ruleSentence(voice: Voice, rule: Policy["rule"]): string {
  const text = plain(rulePhrase(voice, rule));
  return text === "" ? "" : `${text[0]!.toUpperCase()}${text.slice(1)}${voice.words.stop}`;
}

/** What a rule does; of none, nothing. */
export function rulePhrase(voice: Voice, rule: Policy["rule"]): Phrase {
  switch (rule.case) {
    case undefined:
      return [];
    case "allowance":
      return allowancePhrase(voice, rule.value);
    case "limit":
      return limitPhrase(voice, rule.value);
    case "alert":
      return say(voice, "ruleAlert", { n: rule.value.below });
    case "creditLine":
      return say(voice, "ruleCredit", { points: pointsOf(voice, rule.value.points) });
  }
}

function allowancePhrase(voice: Voice, allowance: Allowance): Phrase {
  const { points, every, startTime, endTime, category, services, priority, timeZone } = allowance;
  const period = everyPhrase(voice, every?.count ?? 1, every?.unit);
  const values = {
    points: pointsOf(voice, points),
    every: period,
    time: timeText(voice, startTime),
  };
  return join(
    [
      say(voice, "ruleAllowance", values),
      zonePhrase(voice, timeZone),
      endTime === undefined ? [] : say(voice, "ruleEnd", { time: timeText(voice, endTime) }),
      lifePhrase(voice, allowance),
      category === "" ? [] : say(voice, "category", { category }),
      services.length === 0
        ? []
        : say(voice, "services", { services: services.map(isolated).join(", ") }),
      sayCount(voice, "priority", BigInt(priority)),
    ],
    voice.words.comma,
  );
}

/** How long the points of a period live. */
function lifePhrase(voice: Voice, { expiration }: Allowance): Phrase {
  switch (expiration.case) {
    case "ttl":
      return say(voice, "ruleTtl", { length: voice.formats.length(expiration.value) });
    case "never":
      return say(voice, "ruleForever");
    default: {
      const periods = expiration.value ?? 1;
      if (periods <= 1) return say(voice, "rulePeriod");
      return say(voice, "rulePeriods", { n: BigInt(periods) });
    }
  }
}

function limitPhrase(voice: Voice, limit: Limit): Phrase {
  const { points, window, member, eachMember, service } = limit;
  const values = { points: pointsOf(voice, points), window: windowPhrase(voice, window) };
  const most =
    points === 0n
      ? [say(voice, "ruleNothing")]
      : [say(voice, "ruleLimit", values), zonePhrase(voice, window?.timeZone ?? "")];
  return join(
    [
      ...most,
      eachMember ? say(voice, "ruleEach") : [],
      member === "" ? [] : say(voice, "ruleMember", { member }),
      service === "" ? [] : say(voice, "ruleService", { service }),
    ],
    voice.words.comma,
  );
}

function windowPhrase(voice: Voice, window: Window | undefined): Phrase {
  if (window?.span.case !== "calendar") return say(voice, "windowTotal");
  return say(voice, "window", { unit: everyPhrase(voice, 1, window.span.value) });
}

function zonePhrase(voice: Voice, zone: string): Phrase {
  return zone === "" || zone === "UTC" ? [] : say(voice, "zone", { zone });
}

function everyPhrase(voice: Voice, count: number, unit: CalendarUnit | undefined): Phrase {
  const { words } = voice;
  const name = words[unitNameOf(unit) ?? "day"];
  const template = count <= 1 ? words.every_one : words.every_other;
  return fill(template, { count: String(count), unit: name });
}

function timeText({ formats }: Voice, time: Timestamp | undefined): string {
  return time === undefined ? "" : formats.instant(time);
}
