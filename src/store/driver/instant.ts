import { Type } from "@mikro-orm/postgresql";
import type { Micros } from "../../ledger/time.ts";

/**
 * A `timestamptz` as microseconds since 1970. Going through a JavaScript `Date`, as the ORM would,
 * loses the last three digits, and an expiry would no longer be exact.
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

/** Microseconds since 1970 as PostgreSQL reads them: "2026-11-23T13:05:00.000001Z". */
export function toTimestamptz(micros: Micros): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const second = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, 19);
  return `${second}.${String(fraction).padStart(6, "0")}Z`;
}

/** What PostgreSQL writes in a session whose time zone is UTC: "2026-11-23 13:05:00.000001+00". */
export function fromTimestamptz(text: string): Micros {
  if (!text.endsWith("+00")) throw new Error(`the database session is not in UTC: ${text}`);
  const milliseconds = Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`);
  const fraction = text.slice(20, -3).padEnd(6, "0");
  return BigInt(milliseconds) * 1000n + BigInt(fraction);
}
