import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { useFormats } from "../app/formats.ts";

/** An instant in the browser's time zone, and exactly, in UTC, for whoever points at it. */
export function Instant({
  time,
  say = (text) => text,
}: {
  readonly time: Timestamp;
  /** The words around it. */
  readonly say?: (text: string) => string;
}) {
  const formats = useFormats();
  return (
    <time dateTime={timestampDate(time).toISOString()} title={exactly(time)}>
      {say(formats.instant(time))}
    </time>
  );
}

/** As "2026-11-28T14:05:09.123456Z". */
function exactly(time: Timestamp): string {
  const micros = String(Math.trunc(time.nanos / 1_000)).padStart(6, "0");
  return timestampDate(time)
    .toISOString()
    .replace(/\.\d+Z$/, `.${micros}Z`);
}
