import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** An instant in UTC, to the second. */
export function timeText(time: Timestamp | undefined): string {
  if (time === undefined) return "never";
  return new Date(Number(time.seconds) * 1000).toISOString().slice(0, 19).replace("T", " ");
}
