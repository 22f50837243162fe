/** A day of 24 hours, in milliseconds. */
export const DAY_MS = 86_400_000;

/** A day as an address has it, such as "2026-11-28", in the browser's time zone. */
export type Day = string;

/** The day of an instant. */
export function dayOf(date: Date): Day {
  const [year, month, day] = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return `${String(year).padStart(4, "0")}-${twoDigits(month)}-${twoDigits(day)}`;
}

/** The first instant of a day. Undefined: it is no day. */
export function startOf(day: Day): Date | undefined {
  const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day) ?? [];
  if (year === undefined) return undefined;
  const start = new Date(2000, Number(month) - 1, Number(date));
  // The constructor reads the years 0 to 99 as those of the last century.
  start.setFullYear(Number(year), Number(month) - 1, Number(date));
  return dayOf(start) === day ? start : undefined;
}

/** A day some days later; earlier, if they are negative. */
export function daysLater(day: Day, days: number): Day {
  const later = startOf(day)!;
  later.setDate(later.getDate() + days);
  return dayOf(later);
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}
