import { create } from "@bufbuild/protobuf";
import {
  type Duration,
  DurationSchema,
  type Timestamp,
  TimestampSchema,
} from "@bufbuild/protobuf/wkt";
import type { Micros } from "../ledger/time.ts";

const MICROS_PER_SECOND = 1_000_000n;
const NANOS_PER_MICRO = 1000;
const NANOS_PER_SECOND = 1_000_000_000;
// Protobuf's first second, that of the year 1: neither Date nor PostgreSQL's text has all before.
const FIRST_SECOND = -62_135_596_800n;

/** Microseconds since 1970; what is finer is cut off. Undefined if it is not a valid timestamp. */
export function fromTimestamp({ seconds, nanos }: Timestamp): Micros | undefined {
  if (nanos < 0 || nanos >= NANOS_PER_SECOND || seconds < FIRST_SECOND) return undefined;
  return seconds * MICROS_PER_SECOND + BigInt(Math.floor(nanos / NANOS_PER_MICRO));
}

/** A length in microseconds; what is finer is cut off. Undefined if it is not a valid length. */
export function fromDuration(duration: Duration): Micros | undefined {
  const nanos = nanosOf(duration);
  return nanos === undefined ? undefined : nanos / BigInt(NANOS_PER_MICRO);
}

/** A length in nanoseconds, exactly. Undefined if it is not a valid length, or negative. */
export function nanosOf({ seconds, nanos }: Duration): bigint | undefined {
  if (nanos < 0 || nanos >= NANOS_PER_SECOND || seconds < 0n) return undefined;
  return seconds * BigInt(NANOS_PER_SECOND) + BigInt(nanos);
}

/** A length in nanoseconds as protobuf has it. */
export function toDuration(nanos: bigint): Duration {
  const perSecond = BigInt(NANOS_PER_SECOND);
  return create(DurationSchema, { seconds: nanos / perSecond, nanos: Number(nanos % perSecond) });
}

/** The instant as protobuf has it. */
export function toTimestamp(micros: Micros): Timestamp {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND;
  return create(TimestampSchema, {
    seconds: (micros - fraction) / MICROS_PER_SECOND,
    nanos: Number(fraction) * NANOS_PER_MICRO,
  });
}
