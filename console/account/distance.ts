import { DAY_MS } from "../parts/days.ts";

/** How far off an instant is, in the unit that a person would say it in. */
export type Distance = {
  readonly count: number;
  readonly unit: "minute" | "hour" | "day" | "month" | "year";
};

/**
 * Rounded, since the date stands beside it: what was bought for 30 days expires in 30 days, and not
 * in 29 from the next second on.
 *
 * @returns undefined for what is past, and what is less than a minute off
 */
export function distanceOf(ms: number): Distance | undefined {
  for (const [unit, unitMs, fromMs] of UNITS) {
    if (ms >= fromMs) return { count: Math.round(ms / unitMs), unit };
  }
  return undefined;
}

// From a little less than two on, in which the unit before would be rounded to as much.
const UNITS = [
  ["year", 365.25 * DAY_MS, 730 * DAY_MS],
  ["month", 30.4375 * DAY_MS, 100 * DAY_MS],
  ["day", DAY_MS, 47.5 * 3_600_000],
  ["hour", 3_600_000, 119.5 * 60_000],
  ["minute", 60_000, 60_000],
] as const;
