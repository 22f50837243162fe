import { DAY_MS } from "./days.ts";

/**
 * Round times between two others, for the axis of a chart: minutes, hours, days or months, as the
 * browser's zone has them. Milliseconds since 1970.
 *
 * @returns at most some `max`; none if no round time is between them
 */
export function roundTimes(from: number, to: number, max = 6): number[] {
  const least = (to - from) / max;
  const step = STEPS_MS.find((one) => one >= least);
  if (step !== undefined) return byClock(from, to, step);
  const days = STEPS_DAYS.find((one) => one * DAY_MS >= least);
  if (days !== undefined) return byCalendar(from, to, { days });
  const months = STEPS_MONTHS.find((one) => one * 30 * DAY_MS >= least);
  return byCalendar(from, to, { months: months ?? 12 * Math.ceil(least / (365 * DAY_MS)) });
}

const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];
const STEPS_MS = [
  ...[1, 2, 5, 10, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
];
const STEPS_DAYS = [1, 2, 4, 7, 14];
const STEPS_MONTHS = [1, 2, 3, 6, 12];

/** From midnight on. */
function byClock(from: number, to: number, step: number): number[] {
  const midnight = new Date(from).setHours(0, 0, 0, 0);
  const times: number[] = [];
  const first = midnight + Math.ceil((from - midnight) / step) * step;
  for (let time = first; time <= to; time += step) times.push(time);
  return times;
}

/** Midnights; a day may have 23 hours. */
function byCalendar(
  from: number,
  to: number,
  { days = 0, months = 0 }: { readonly days?: number; readonly months?: number },
): number[] {
  const at = new Date(from);
  at.setHours(0, 0, 0, 0);
  if (months > 0) at.setMonth(Math.floor(at.getMonth() / months) * months, 1);
  const times: number[] = [];
  for (; at.getTime() <= to; at.setMonth(at.getMonth() + months, at.getDate() + days)) {
    if (at.getTime() >= from) times.push(at.getTime());
  }
  return times;
}
