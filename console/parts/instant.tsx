import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useFormats } from "../app/formats.ts";

/** An instant in the browser's time zone; the pointer shows it in UTC. */
export function Instant({
  time,
  of = "instant",
  say = (text) => text,
}: {
  time: Timestamp;
  of?: "instant" | "day";
  /** Puts the sentence around it that it belongs to. */
  say?: (text: string) => string;
}) {
  const formats = useFormats();
  const exact = timestampDate(time).toISOString();
  return (
    <time dateTime={exact} title={exact}>
      {say(formats[of](time))}
    </time>
  );
}
