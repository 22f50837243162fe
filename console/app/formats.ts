import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useMemo } from "react";
import { useLanguage } from "./words.ts";

/** How figures and times are written in the language of the page, in the browser's time zone. */
export type Formats = {
  /** "1,234" */
  readonly points: (points: bigint) => string;
  /** "+1,234" or "-5" */
  readonly change: (points: bigint) => string;
  /** "1.23K": for pixels alone, such as an axis. */
  readonly compact: (points: number) => string;
  /** "Nov 28, 2026, 14:05:09" */
  readonly instant: (time: Timestamp) => string;
  /** "Nov 28, 2026" */
  readonly day: (time: Timestamp) => string;
};

export function useFormats(): Formats {
  const { language } = useLanguage();
  return useMemo(() => formatsOf(language), [language]);
}

function formatsOf(language: string): Formats {
  const numbers = new Intl.NumberFormat(language);
  const changes = new Intl.NumberFormat(language, { signDisplay: "exceptZero" });
  const compacts = new Intl.NumberFormat(language, {
    notation: "compact",
    maximumSignificantDigits: 3,
  });
  const days = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
  const instants = new Intl.DateTimeFormat(language, {
    dateStyle: "medium",
    timeStyle: "medium",
    hourCycle: "h23",
  });
  return {
    points: (points) => numbers.format(points),
    change: (points) => changes.format(points),
    compact: (points) => compacts.format(points),
    instant: (time) => instants.format(timestampDate(time)),
    day: (time) => days.format(timestampDate(time)),
  };
}
