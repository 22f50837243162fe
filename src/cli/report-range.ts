import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Temporal } from "temporal-polyfill";
import { isTimeZone } from "../ledger/calendar.ts";
import { WrongUsage } from "./arguments.ts";

/** The days that a report is of. */
export type Range = {
  /** The first day, and the day before which it ends, such as "2026-11-01". */
  readonly from: string;
  readonly until: string;
  /** In which these days begin, of IANA's names. */
  readonly timeZone: string;
  /** The first instant of each of the two days. */
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
};

type RangeOptions = {
  readonly month?: string | undefined;
  readonly from?: string | undefined;
  readonly until?: string | undefined;
  readonly "time-zone": string;
};

/**
 * Reads the options --month, or --from and --until, and --time-zone.
 *
 * @throws {WrongUsage} if a month, day or time zone is none, if the days are not in order, or if they do
 *   not begin with a quarter of an hour
 */
export function readRange({ month, from, until, "time-zone": timeZone }: RangeOptions): Range {
  const [first, end] = daysOf(month, from, until);
  if (Temporal.PlainDate.compare(first, end) >= 0) {
    throw new WrongUsage(`--until takes a day after ${from}, and not ${until}`);
  }
  return {
    from: first.toString(),
    until: end.toString(),
    timeZone,
    startTime: startOf(first, timeZone),
    endTime: startOf(end, timeZone),
  };
}

function daysOf(month?: string, from?: string, until?: string) {
  if (month !== undefined) {
    if (from !== undefined || until !== undefined) {
      throw new WrongUsage(
        "a report is of a --month, or from --from until --until, and not of both",
      );
    }
    const first = day(/^\d{4}-\d\d$/.test(month) ? `${month}-01` : "");
    if (first === undefined) {
      throw new WrongUsage(`--month takes a month such as 2026-11, and not ${month}`);
    }
    return [first, first.add({ months: 1 })] as const;
  }
  if (from === undefined || until === undefined) {
    throw new WrongUsage("--month is missing, or --from and --until");
  }
  return [dayOption(from, "--from"), dayOption(until, "--until")] as const;
}

function dayOption(text: string, name: string): Temporal.PlainDate {
  const found = day(text);
  if (found !== undefined) return found;
  throw new WrongUsage(`${name} takes a day such as 2026-11-01, and not ${text}`);
}

/** A day; undefined: there is none such. */
function day(text: string): Temporal.PlainDate | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return undefined;
  try {
    return Temporal.PlainDate.from(text);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The first instant of a day. Sums are of quarters of an hour. */
function startOf(date: Temporal.PlainDate, timeZone: string): Timestamp {
  if (!isTimeZone(timeZone)) {
    throw new WrongUsage(`--time-zone takes a name such as Asia/Shanghai, and not ${timeZone}`);
  }
  const start = date.toZonedDateTime({ timeZone });
  if (start.epochMilliseconds % QUARTER_MS !== 0) {
    throw new WrongUsage(
      `${date.toString()} begins within a quarter of an hour in ${timeZone}: use another`,
    );
  }
  return timestampFromMs(start.epochMilliseconds);
}

const QUARTER_MS = 900_000;
