import { Type } from "@mikro-orm/postgresql";
import type { Micros } from "../../ledger/time.ts";

/**
 * The ORM's mapping of `timestamptz` to microseconds since 1970. The ORM's default, a JavaScript
 * `Date`, loses the last three digits: an expiry would no longer be exact.
 */
export class InstantType extends Type<Micros, string> {
  override convertToDatabaseValue(micros: Micros): string {
    return toTimestamptz(micros);
  }

  override convertToJSValue(text: string): Micros {
    return fromTimestamptz(text);
  }

  override getColumnType(): string {
    return "timestamptz";
  }

  override compareAsType(): string {
    return "bigint";
  }
}

/** Formats microseconds since 1970 for PostgreSQL: "2026-11-23T13:05:00.000001Z". */
export function toTimestamptz(micros: Micros): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const second = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, 19);
  return `${second}.${String(fraction).padStart(6, "0")}Z`;
}

/**
 * Parses the text of a `timestamptz` in a session whose time zone is UTC, as
 * "2026-11-23 13:05:00.000001+00", to microseconds since 1970.
 *
 * @throws if the text is in another time zone, or infinite
 */
export function fromTimestamptz(text: string): Micros {
  if (!text.endsWith("+00")) throw new Error(`the database session is not in UTC: ${text}`);
  const milliseconds = Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`);
  const fraction = text.slice(20, -3).padEnd(6, "0");
  return BigInt(milliseconds) * 1000n + BigInt(fraction);
}
