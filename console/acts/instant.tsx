import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { useFormats } from "../app/formats.ts";

/** An instant in the browser's zone, and in UTC for whoever points at it. */
export function Instant({ time }: { readonly time: Timestamp }) {
  const { instant } = useFormats();
  const utc = timestampDate(time).toISOString();
  return (
    <time dateTime={utc} title={utc}>
      {instant(time)}
    </time>
  );
}
