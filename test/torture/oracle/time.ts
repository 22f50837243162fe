import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

// Conversions of the contract's times, independent of the code under test. An instant is
// microseconds since 1970.

/** An instant; digits finer than a microsecond are cut off. */
export function microsOf({ seconds, nanos }: Timestamp): bigint {
  return seconds * 1_000_000n + BigInt(Math.trunc(nanos / 1000));
}

/** A duration in nanoseconds. */
export function nanosOf({ seconds, nanos }: Duration): bigint {
  return seconds * 1_000_000_000n + BigInt(nanos);
}

/** An instant after 1970 as a protobuf Timestamp. */
export function timestampOf(micros: bigint) {
  return { seconds: micros / 1_000_000n, nanos: Number(micros % 1_000_000n) * 1000 };
}
