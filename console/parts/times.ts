import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** Which of two instants is first, as the sign of a number. */
export function compareTimes(one: Timestamp | undefined, other: Timestamp | undefined): number {
  const seconds = Number((one?.seconds ?? 0n) - (other?.seconds ?? 0n));
  return seconds === 0 ? (one?.nanos ?? 0) - (other?.nanos ?? 0) : seconds;
}
