import { create, toJson } from "@bufbuild/protobuf";
import {
  type Duration,
  DurationSchema,
  type Timestamp,
  TimestampSchema,
} from "@bufbuild/protobuf/wkt";
import { invalidField } from "../errors/api-error.ts";
import type { Micros } from "../ledger/time.ts";

const MICROS_PER_SECOND = 1_000_000n;
const NANOS_PER_MICRO = 1000;
const NANOS_PER_SECOND = 1_000_000_000;
// The first second of protobuf's Timestamp, in the year 1. Date and PostgreSQL's text lack some
// times before it.
const FIRST_SECOND = -62_135_596_800n;
// The longest Duration of protobuf. Its JSON cannot say a longer one.
const DURATION_MAX_SECONDS = 315_576_000_000n;

/** Microseconds since 1970; finer digits are cut off. Undefined if the timestamp is invalid. */
export function fromTimestamp({ seconds, nanos }: Timestamp): Micros | undefined {
  if (nanos < 0 || nanos >= NANOS_PER_SECOND || seconds < FIRST_SECOND) return undefined;
  return seconds * MICROS_PER_SECOND + BigInt(Math.floor(nanos / NANOS_PER_MICRO));
}

/**
 * The same of a field that may be left out.
 *
 * @throws FIELD_INVALID
 */
export function instantOf(timestamp: Timestamp | undefined, field: string): Micros | undefined {
  if (timestamp === undefined) return undefined;
  const instant = fromTimestamp(timestamp);
  if (instant === undefined) throw invalidField(field, "must be a valid timestamp");
  return instant;
}

/** A duration in microseconds; finer digits are cut off. Undefined if it is invalid or negative. */
export function fromDuration(duration: Duration): Micros | undefined {
  const nanos = nanosOf(duration);
  return nanos === undefined ? undefined : nanos / BigInt(NANOS_PER_MICRO);
}

/** A duration in nanoseconds, exactly. Undefined if it is invalid or negative. */
export function nanosOf({ seconds, nanos }: Duration): bigint | undefined {
  if (nanos < 0 || nanos >= NANOS_PER_SECOND || seconds < 0n) return undefined;
  if (seconds > DURATION_MAX_SECONDS) return undefined;
  return seconds * BigInt(NANOS_PER_SECOND) + BigInt(nanos);
}

/** A Duration from nanoseconds. */
export function toDuration(nanos: bigint): Duration {
  const perSecond = BigInt(NANOS_PER_SECOND);
  return create(DurationSchema, { seconds: nanos / perSecond, nanos: Number(nanos % perSecond) });
}

/** Microseconds since 1970 as RFC 3339 writes them. */
export function toRfc3339(micros: Micros): string {
  return toJson(TimestampSchema, toTimestamp(micros));
}

/** A Timestamp from microseconds since 1970. */
export function toTimestamp(micros: Micros): Timestamp {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND;
  return create(TimestampSchema, {
    seconds: (micros - fraction) / MICROS_PER_SECOND,
    nanos: Number(fraction) * NANOS_PER_MICRO,
  });
}
