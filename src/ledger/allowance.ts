import { periodAt, periodStart } from "./calendar.ts";
import type { Allowance, NextPeriod } from "./policy.ts";
import type { Micros } from "./time.ts";

/** The first period of an allowance that begins at an instant or after; null: its first of all. */
export function periodFrom(allowance: Allowance, notBefore: Micros | null): NextPeriod {
  return nextPeriod(allowance, notBefore === null ? 0 : periodAt(allowance, notBefore - 1n) + 1);
}

/** The period of this number, if it begins before the allowance ends. */
export function nextPeriod(allowance: Allowance, period: number): NextPeriod {
  const { endTime } = allowance;
  const time = periodStart(allowance, period);
  const isAfterEnd = time !== null && endTime !== null && time >= endTime;
  return { period, time: isAfterEnd ? null : time };
}
