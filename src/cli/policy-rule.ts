import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type AllowanceSchema,
  CalendarUnit,
  type PolicySchema,
} from "../../gen/points/v1/policy_pb.ts";
import { duration, wholeNumber, WrongUsage } from "./arguments.ts";
import { instant } from "./instant.ts";

/** The options that say a policy's rule. */
export const RULE_OPTIONS = {
  allowance: { type: "string" },
  limit: { type: "string" },
  "alert-below": { type: "string" },
  "credit-line": { type: "string" },
  every: { type: "string" },
  start: { type: "string" },
  end: { type: "string" },
  rollover: { type: "string" },
  ttl: { type: "string" },
  never: { type: "boolean" },
  priority: { type: "string" },
  category: { type: "string" },
  window: { type: "string" },
  member: { type: "string" },
  "each-member": { type: "boolean" },
  "time-zone": { type: "string" },
  service: { type: "string", multiple: true },
} as const;

type Name = keyof typeof RULE_OPTIONS;

type Values = {
  readonly [Key in Exclude<Name, "never" | "each-member" | "service">]?: string | undefined;
} & {
  readonly never?: boolean | undefined;
  readonly "each-member"?: boolean | undefined;
  readonly service?: readonly string[] | undefined;
};

type Life = NonNullable<MessageInitShape<typeof AllowanceSchema>["expiration"]>;

type Rule = NonNullable<MessageInitShape<typeof PolicySchema>["rule"]>;

/**
 * The rule that a command line asks for.
 *
 * @throws {WrongUsage} if it is none or several, or if an option is not of this rule
 */
export function ruleOf(values: Values): Rule {
  const kinds = KINDS.filter((kind) => values[kind] !== undefined);
  const [kind, other] = kinds;
  if (kind === undefined)
    throw new WrongUsage("--allowance, --limit, --alert-below or --credit-line is missing");
  if (other !== undefined) {
    throw new WrongUsage(`there are --${kind} and --${other}: a policy has one rule`);
  }
  const names = Object.keys(values).filter((name) => name in RULE_OPTIONS) as Name[];
  const stray = names.find((name) => name !== kind && !DETAILS[kind].includes(name));
  if (stray !== undefined) throw new WrongUsage(`--${stray} means nothing with --${kind}`);
  switch (kind) {
    case "allowance":
      return { case: kind, value: allowanceOf(values) };
    case "limit":
      return { case: kind, value: limitOf(values) };
    case "alert-below":
      return { case: "alert", value: { below: number(values[kind]!, "--alert-below") } };
    case "credit-line":
      return { case: "creditLine", value: { points: wholeNumber(values[kind]!, "--credit-line") } };
  }
}

const KINDS = ["allowance", "limit", "alert-below", "credit-line"] as const;

const LIFE = ["rollover", "ttl", "never"] as const;

/** The options that go with each kind of rule. */
const DETAILS: Record<(typeof KINDS)[number], readonly Name[]> = {
  allowance: ["every", "start", "end", ...LIFE, "priority", "category", "time-zone", "service"],
  limit: ["window", "member", "each-member", "time-zone", "service"],
  "alert-below": [],
  "credit-line": [],
};

function allowanceOf(values: Values) {
  const { allowance, every, start, end, priority = "0", category = "", service = [] } = values;
  if (every === undefined) throw new WrongUsage('--every is missing, such as month or "2 weeks"');
  return {
    points: wholeNumber(allowance!, "--allowance"),
    every: everyOf(every),
    ...(start === undefined ? {} : { startTime: instant(start, "--start") }),
    ...(end === undefined ? {} : { endTime: instant(end, "--end") }),
    timeZone: values["time-zone"] ?? "",
    expiration: lifeOf(values),
    priority: smallNumber(priority, "--priority"),
    category,
    services: [...service],
  };
}

function everyOf(text: string) {
  const [, count = "1", name] = /^(?:([1-9]\d{0,3}) ?)?(day|week|month|year)s?$/.exec(text) ?? [];
  const unit = UNITS.get(name ?? "");
  if (unit !== undefined) return { count: Number(count), unit };
  throw new WrongUsage(
    `--every takes day, week, month, year or such as "2 weeks", and not ${text}`,
  );
}

/** The calendar's units, by the words for them. */
export const UNITS: ReadonlyMap<string, CalendarUnit> = new Map([
  ["day", CalendarUnit.DAY],
  ["week", CalendarUnit.WEEK],
  ["month", CalendarUnit.MONTH],
  ["year", CalendarUnit.YEAR],
]);

function lifeOf(values: Values): Life {
  const [life, other] = LIFE.filter((name) => values[name] !== undefined);
  if (other !== undefined) throw new WrongUsage(`there are --${life} and --${other}: it takes one`);
  if (values.rollover !== undefined) {
    return { case: "periods", value: smallNumber(values.rollover, "--rollover") };
  }
  if (values.ttl !== undefined) return { case: "ttl", value: duration(values.ttl, "--ttl") };
  return life === undefined ? { case: undefined } : { case: "never", value: true };
}

function limitOf(values: Values) {
  const { limit, window, member = "", service = [] } = values;
  if (window === undefined) {
    throw new WrongUsage("--window is missing: day, week, month, year or total");
  }
  if (service.length > 1) throw new WrongUsage("--limit takes one --service");
  return {
    points: wholeNumber(limit!, "--limit"),
    window: { span: spanOf(window), timeZone: values["time-zone"] ?? "" },
    member,
    eachMember: values["each-member"] ?? false,
    service: service[0] ?? "",
  };
}

function spanOf(text: string) {
  if (text === "total") return { case: text, value: true } as const;
  const unit = UNITS.get(text);
  if (unit !== undefined) return { case: "calendar", value: unit } as const;
  throw new WrongUsage(`--window takes day, week, month, year or total, and not ${text}`);
}

/** A number that the contract keeps in 32 bits; a greater one it refuses. */
function smallNumber(text: string, name: string): number {
  return Number(wholeNumber(text.length > 9 ? "999999999" : text, name));
}

function number(text: string, name: string): bigint {
  return text.startsWith("-") ? -wholeNumber(text.slice(1), name) : wholeNumber(text, name);
}
