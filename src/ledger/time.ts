import type { Rejection } from "./rejection.ts";

/**
 * An instant, or a length of time, in microseconds; instants count from 1970-01-01T00:00:00Z.
 * PostgreSQL keeps time to the microsecond, and a bigint keeps it exactly.
 */
export type Micros = bigint;

/** The last instant that a life may reach: the end of the year 9999. */
export const LAST_INSTANT: Micros = 253_402_300_799_999_999n;

/** When a life that starts now ends, or the refusal of one that is too long. */
export function endOf(ttl: Micros, field: string, now: Micros): Micros | Rejection {
  if (now + ttl <= LAST_INSTANT) return now + ttl;
  return { reason: "FIELD_INVALID", field, description: "must end before the year 10000" };
}
