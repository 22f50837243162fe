import {
  type Duration,
  type Timestamp,
  timestampFromDate,
  timestampDate,
} from "@bufbuild/protobuf/wkt";
import { seenText } from "../parts/seen-text.ts";

/** What is typed into a form: the text of each field. */
export type Values = Readonly<Record<Field, string>>;

const FIELDS = [
  "actor",
  "reason",
  "ticket",
  "target",
  "points",
  "shortfall",
  "reissue",
  "expires",
  "days",
  "expireTime",
  "priority",
  "category",
  "services",
  "name",
  "rule",
  "count",
  "unit",
  "startTime",
  "endTime",
  "timeZone",
  "periods",
  "window",
  "whose",
  "member",
  "service",
] as const;

export type Field = (typeof FIELDS)[number];

export const NO_VALUES = Object.fromEntries(FIELDS.map((field) => [field, ""])) as Values;

/** What is wrong with a field: a word, and the bound that is broken; or the server's own words. */
export type Fault =
  | { readonly word: FaultWord; readonly bound?: bigint }
  | { readonly word: "server"; readonly text: string };

type FaultWord =
  "required" | "notWhole" | "tooFew" | "tooMany" | "tooLong" | "tooLongChars" | "plain" | "time";

export type Faults = Partial<Record<Field, Fault>>;

/** The most points of one operation. */
export const POINTS_MAX = 1_000_000_000_000n;

/** Reads values, and gathers in `faults` what is wrong with them. */
export type Reading = ReturnType<typeof reading>;

/** How long a text may be, without the blanks around it. */
type Bound = { readonly bytes?: number; readonly chars?: number };

const DAY_SECONDS = 86_400n;
/** About as many as there are until the year 10000. */
const DAYS_MAX = 2_900_000n;

export function reading(values: Values) {
  const faults: Faults = {};
  const fault = (field: Field, word: FaultWord, bound?: bigint) => {
    faults[field] ??= bound === undefined ? { word } : { word, bound };
  };
  const whole = (field: Field, min: bigint, max: bigint): bigint | undefined => {
    const number = wholeOf(values[field]);
    if (number === undefined) {
      if (values[field].trim() !== "") fault(field, "notWhole");
      return undefined;
    }
    if (number < min) fault(field, "tooFew", min);
    if (number > max) fault(field, "tooMany", max);
    return number;
  };
  const requiredWhole = (field: Field, min: bigint, max: bigint): bigint => {
    if (values[field].trim() === "") fault(field, "required");
    return whole(field, min, max) ?? 0n;
  };
  const text = (field: Field, { bytes, chars }: Bound): string => {
    const found = seenText(values[field]);
    const isLong = new TextEncoder().encode(found).length > (bytes ?? Infinity);
    if (isLong) fault(field, "tooLong", BigInt(bytes ?? 0));
    // As the server counts: an emoji is one character.
    const isWide = Array.from(found).length > (chars ?? Infinity);
    if (isWide) fault(field, "tooLongChars", BigInt(chars ?? 0));
    if (/\p{Cc}/u.test(found)) fault(field, "plain");
    return found;
  };
  return {
    values,
    faults,
    fault,
    /** Undefined where the field is empty. */
    whole,
    /** 0 with a fault where the field is empty. */
    requiredWhole,
    text,
    requiredText(field: Field, bound: Bound): string {
      if (seenText(values[field]) === "") fault(field, "required");
      return text(field, bound);
    },
    requiredDays(field: Field): Duration | undefined {
      const seconds = requiredWhole(field, 1n, DAYS_MAX) * DAY_SECONDS;
      return { $typeName: "google.protobuf.Duration", seconds, nanos: 0 };
    },
    /** @param kept where the field still says this instant to the second, it is meant to the last digit */
    time(field: Field, kept?: Timestamp): Timestamp | undefined {
      const typed = values[field];
      if (typed === "") return undefined;
      if (kept !== undefined && localTimeOf(kept) === typed) return kept;
      const date = new Date(typed);
      if (Number.isNaN(date.getTime())) fault(field, "time");
      else return timestampFromDate(date);
      return undefined;
    },
  };
}

/** Digits, with commas or blanks between groups of three, if any, and a sign; also as wide as in Chinese. */
function wholeOf(text: string): bigint | undefined {
  const plain = narrow(text).trim().replace(/^−/, "-");
  if (!/^-?(?:\d+|\d{1,3}(?:[,\u0020\u00a0\u202f]\d{3})+)$/.test(plain)) return undefined;
  return BigInt(plain.replace(/[^\d-]/g, ""));
}

/** Only what is wide: Unicode's NFKC would read "5²" as 52. */
function narrow(text: string): string {
  return text.replaceAll(/[\uff01-\uff5e]/g, (wide) => wide.normalize("NFKC"));
}

/** The whole days of a time to live. */
export function daysOf({ seconds }: Duration): string {
  return String(seconds / DAY_SECONDS);
}

/** An instant as a field of type datetime-local has it, in the browser's zone, to the second. */
export function localTimeOf(time: Timestamp): string {
  const date = timestampDate(time);
  const two = (number: number) => String(number).padStart(2, "0");
  const year = String(date.getFullYear()).padStart(4, "0");
  const day = `${year}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
