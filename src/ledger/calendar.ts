import { Temporal } from "temporal-polyfill";
import type { Cadence, CalendarUnit } from "./policy.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";

/**
 * When period `k` begins: at `startTime` + `k` × `every` by the calendar of the time zone, with the
 * wall clock's time of `startTime`. It is never chained from the period before, so that 31 January,
 * 28 February and 31 March are one cadence. Where summer time leaves out that time of the day, the
 * period begins later by as much as was left out; where the time comes twice, at the first.
 *
 * Periods begin one after the other, but for a day that a time zone leaves out altogether, as Samoa
 * did in 2011: that day's period and the next begin together.
 *
 * @param k 0 or more
 * @returns null: not before the year 10000
 */
export function periodStart({ startTime, every, timeZone }: Cadence, k: number): Micros | null {
  const units = k * every.count;
  if (startTime + BigInt(units) * LEAST[every.unit] > LAST_INSTANT + SLACK) return null;
  const start = zoned(startTime, timeZone).add({ [`${every.unit}s`]: units });
  const time = microsOf(start);
  return time > LAST_INSTANT ? null : time;
}

/** The number of the last period that begins at an instant or before; -1: none does. */
export function periodAt(cadence: Cadence, instant: Micros): number {
  const { startTime, every } = cadence;
  if (instant < startTime) return -1;
  // A month is so long on average, over 400 years. In between a period begins some days sooner or
  // later, so that the number found like this is wrong by very few.
  let k = Number((instant - startTime) / (BigInt(every.count) * MEAN[every.unit]));
  const hasBegun = (other: number) => {
    const start = periodStart(cadence, other);
    return start !== null && start <= instant;
  };
  while (!hasBegun(k)) k -= 1;
  while (hasBegun(k + 1)) k += 1;
  return k;
}

/**
 * When the calendar's unit that holds an instant ends: at the first instant of the next one. Weeks
 * begin on Monday. A day begins at midnight, or with its first instant where it has no midnight.
 *
 * @param timeZone see `isTimeZone`
 */
export function windowEnd(unit: CalendarUnit, timeZone: string, instant: Micros): Micros {
  const key = `${unit} ${timeZone}`;
  const last = lastWindows.get(key);
  if (last !== undefined && last.seen <= instant && instant < last.end) return last.end;
  const end = endOfUnit(unit, timeZone, instant);
  if (lastWindows.size >= LAST_WINDOWS_MAX) lastWindows.clear();
  lastWindows.set(key, { seen: instant, end });
  return end;
}

/** The windows that were asked for last: most charges of a day ask for the end of that day. */
const lastWindows = new Map<string, { readonly seen: Micros; readonly end: Micros }>();
const LAST_WINDOWS_MAX = 100;

function endOfUnit(unit: CalendarUnit, timeZone: string, instant: Micros): Micros {
  const one = { [`${unit}s`]: 1 };
  const next = firstDay(unit, zoned(instant, timeZone).toPlainDate()).add(one);
  const end = microsOf(next.toZonedDateTime(timeZone));
  // Where the clocks go back over midnight, a day begins, is broken off, and goes on.
  return end > instant ? end : microsOf(next.add(one).toZonedDateTime(timeZone));
}

/**
 * The days that hold the instants from one to another, with the first instant of each. A day that the
 * time zone leaves out begins together with the next one.
 *
 * @param max that many days at most, and one more
 */
export function daysBetween(
  timeZone: string,
  { from, to }: { readonly from: Micros; readonly to: Micros },
  max: number,
): { readonly day: string; readonly start: Micros }[] {
  const days = [];
  let date = zoned(from, timeZone).toPlainDate();
  const last = zoned(to, timeZone).toPlainDate();
  while (Temporal.PlainDate.compare(date, last) <= 0 && days.length <= max) {
    days.push({ day: date.toString(), start: microsOf(date.toZonedDateTime(timeZone)) });
    date = date.add({ days: 1 });
  }
  return days;
}

/**
 * Whether it is a time zone's name in the IANA's data base, or "UTC", in the data base's spelling:
 * other software tells upper case from lower. An offset, such as "+02:00", is none: it knows no
 * summer time, and who wants that has "Etc/GMT-2".
 */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Z]/.test(name)) return false;
  try {
    return zoned(0n, name).timeZoneId === name;
  } catch (err) {
    if (err instanceof RangeError) return false;
    throw err;
  }
}

function firstDay(unit: CalendarUnit, date: Temporal.PlainDate): Temporal.PlainDate {
  switch (unit) {
    case "day":
      return date;
    case "week":
      return date.subtract({ days: date.dayOfWeek - 1 });
    case "month":
      return date.with({ day: 1 });
    case "year":
      return date.with({ month: 1, day: 1 });
  }
}

function zoned(instant: Micros, timeZone: string): Temporal.ZonedDateTime {
  return new Temporal.ZonedDateTime(instant * 1000n, timeZone);
}

function microsOf({ epochNanoseconds }: Temporal.ZonedDateTime): Micros {
  return epochNanoseconds / 1000n;
}

const DAY: Micros = 86_400_000_000n;

const MEAN: Readonly<Record<CalendarUnit, Micros>> = {
  day: DAY,
  week: 7n * DAY,
  month: (146_097n * DAY) / 4_800n,
  year: (146_097n * DAY) / 400n,
};

/** No unit is shorter than this, but for what the clocks' changes take away, which is `SLACK`. */
const LEAST: Readonly<Record<CalendarUnit, Micros>> = {
  day: DAY,
  week: 7n * DAY,
  month: 28n * DAY,
  year: 365n * DAY,
};

const SLACK: Micros = 2n * DAY;
