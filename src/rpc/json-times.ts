/** Whether a value is a Timestamp in protobuf's JSON: RFC 3339, on a day that exists. */
export function isTimestamp(json: unknown): boolean {
  const [, year, month, day, hour, minute, second, offsetHour, offsetMinute] =
    (typeof json === "string" ? TIMESTAMP.exec(json) : null) ?? [];
  if (year === undefined) return false;
  return (
    Number(year) >= 1 &&
    isIn(month, 1, 12) &&
    isIn(day, 1, daysOf(Number(year), Number(month))) &&
    isIn(hour, 0, 23) &&
    isIn(minute, 0, 59) &&
    isIn(second, 0, 59) &&
    isIn(offsetHour ?? "00", 0, 23) &&
    isIn(offsetMinute ?? "00", 0, 59)
  );
}

/** Whether a value is a Duration in protobuf's JSON: seconds, to the nanosecond. */
export function isDuration(json: unknown): boolean {
  const [, seconds] = (typeof json === "string" ? DURATION.exec(json) : null) ?? [];
  return seconds !== undefined && Number(seconds) <= DURATION_MAX_SECONDS;
}

const TIMESTAMP =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:Z|[+-](\d{2}):(\d{2}))$/;
const DURATION = /^-?(\d{1,12})(?:\.\d{1,9})?s$/;
const DURATION_MAX_SECONDS = 315_576_000_000;

function isIn(digits: string | undefined, least: number, most: number): boolean {
  return Number(digits) >= least && Number(digits) <= most;
}

/** The number of days of a month in the Gregorian calendar. */
function daysOf(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : DAYS[month - 1]!;
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
