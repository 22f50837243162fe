import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

// Times of the contract, read without the code under test. An instant is microseconds since 1970.

/** An instant; what is finer than a microsecond is cut off. */
export function microsOf({ seconds, nanos }: Timestamp): bigint {
  return seconds * 1_000_000n + BigInt(Math.trunc(nanos / 1000));
}

/** A length of time in nanoseconds. */
export function nanosOf({ seconds, nanos }: Duration): bigint {
  return seconds * 1_000_000_000n + BigInt(nanos);
}

/** An instant as protobuf has it; the instant is after 1970. */
export function timestampOf(micros: bigint) {
  return { seconds: micros / 1_000_000n, nanos: Number(micros % 1_000_000n) * 1000 };
}
