/**
 * An instant, or a length of time, in microseconds; instants count from 1970-01-01T00:00:00Z.
 * PostgreSQL keeps time to the microsecond, and a bigint keeps it exactly.
 */
export type Micros = bigint;

/** The last instant at which anything may expire: the end of the year 9999. */
export const LAST_INSTANT: Micros = 253_402_300_799_999_999n;
