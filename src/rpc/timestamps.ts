import { create } from "@bufbuild/protobuf";
import { type Duration, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Micros } from "../ledger/time.ts";

const MICROS_PER_SECOND = 1_000_000n;
const NANOS_PER_MICRO = 1000;
const NANOS_PER_SECOND = 1_000_000_000;

/** Microseconds since 1970; what is finer is cut off. Undefined if the nanos are out of range. */
export function fromTimestamp({ seconds, nanos }: Timestamp): Micros | undefined {
  if (nanos < 0 || nanos >= NANOS_PER_SECOND) return undefined;
  return seconds * MICROS_PER_SECOND + BigInt(Math.floor(nanos / NANOS_PER_MICRO));
}

/** A length in microseconds; what is finer is cut off. Undefined if it is not a valid length. */
export function fromDuration({ seconds, nanos }: Duration): Micros | undefined {
  if (nanos < 0 || nanos >= NANOS_PER_SECOND || seconds < 0n) return undefined;
  return seconds * MICROS_PER_SECOND + BigInt(Math.floor(nanos / NANOS_PER_MICRO));
}

/** The instant as protobuf has it. */
export function toTimestamp(micros: Micros): Timestamp {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND;
  return create(TimestampSchema, {
    seconds: (micros - fraction) / MICROS_PER_SECOND,
    nanos: Number(fraction) * NANOS_PER_MICRO,
  });
}
