import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { BadLine, show } from "./bad-line.ts";

/**
 * Reads an instant in the formats of psql, RFC 3339 and most languages, exact to the microsecond.
 * Returns undefined for an empty value and for psql's `infinity`.
 *
 * @param name of the field
 * @throws {BadLine} for other texts, and for a time without a zone, which could be any of a day
 */
export function readTime(name: string, value: unknown): Timestamp | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === "" || value === "infinity") return undefined;
  const refuse = (why: string) => new BadLine(`${name} ${show(value)} ${why}`);
  const groups = typeof value === "string" ? TIME.exec(value)?.groups : undefined;
  if (groups === undefined) throw refuse(`is no time as ${EXAMPLE}`);
  const { date, time, fraction = "", utc, sign, hours, minutes = "0", seconds = "0" } = groups;
  if (utc === undefined && sign === undefined) {
    throw refuse(`has no time zone: write it as ${EXAMPLE} or 2030-01-31 12:00:00+00`);
  }
  const local = new Date(`${date}T${time}Z`);
  // Date turns 31 February into 3 March.
  const isReal = !Number.isNaN(local.getTime());
  const exists = isReal && local.toISOString().startsWith(`${date}T${time}`);
  if (!exists) throw refuse("is no day or time that there is");
  const offset = [hours ?? "0", minutes, seconds].map(Number);
  if (offset.some((part, index) => part >= [24, 60, 60][index]!)) {
    throw refuse("has no time zone that there is");
  }
  if (/[1-9]/.test(fraction.slice(6))) throw refuse("is finer than a microsecond");
  const [h, m, s] = offset as [number, number, number];
  const east = (sign === "-" ? -1 : 1) * (h * 3600 + m * 60 + s);
  const second = BigInt(local.getTime() / 1000 - east);
  if (second < FIRST_SECOND || second > LAST_SECOND) throw refuse("is not of the years 1 to 9999");
  return create(TimestampSchema, {
    seconds: second,
    nanos: Number(fraction.slice(0, 6).padEnd(6, "0")) * 1000,
  });
}

const EXAMPLE = "2030-01-31T12:00:00Z";
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;

const DAY = /(?<date>\d{4}-\d\d-\d\d)[T ]/;
const CLOCK = /(?<time>\d\d:\d\d:\d\d)(?:\.(?<fraction>\d+))?/;
// psql writes seconds for historical zones. Ruby and BigQuery write a blank and UTC.
const OFFSET = /(?<sign>[+-])(?<hours>\d\d)(?::?(?<minutes>\d\d)(?::?(?<seconds>\d\d))?)?/;
const ZONE = `(?: ?(?:(?<utc>Z|UTC)|${OFFSET.source}))?`;
const TIME = new RegExp(`^${DAY.source}${CLOCK.source}${ZONE}$`, "i");
