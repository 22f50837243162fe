import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
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
  /** "30 days": in the largest of its units, up to days, that is whole. */
  readonly length: (length: Duration) => string;
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
    length: (length) => lengthIn(language, length),
  };
}

const UNITS = [
  ["day", 86_400n],
  ["hour", 3_600n],
  ["minute", 60n],
] as const;

function lengthIn(language: string, { seconds, nanos }: Duration): string {
  const whole = UNITS.find(([, size]) => nanos === 0 && seconds % size === 0n);
  const unit = whole?.[0] ?? "second";
  const count = whole ? seconds / whole[1] : Number(seconds) + nanos / 1e9;
  const options = { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 6 } as const;
  return spaced(new Intl.NumberFormat(language, options).format(count));
}

/** Parts a number from a Chinese unit by a space, as the console's texts do. */
export function spaced(text: string): string {
  return text.replaceAll(/(?<=\d)(?=\p{Script=Han})/gu, " ");
}
