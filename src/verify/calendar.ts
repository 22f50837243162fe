import { Temporal } from "temporal-polyfill";
import type { Allowance, Limit } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";

/** When a period of an allowance begins; null: never, for the allowance ends before. */
export function startOfPeriod(allowance: Allowance, period: number): Micros | null {
  const time = startWithoutEnd(allowance, period);
  const { endTime } = allowance;
  return time === null || (endTime !== null && time >= endTime) ? null : time;
}

/** When the points of a period expire; null: never. */
export function endOfPoints(allowance: Allowance, period: number): Micros | null {
  const { life } = allowance;
  switch (life.kind) {
    case "periods":
      return startWithoutEnd(allowance, period + life.count);
    case "ttl": {
      const end = startWithoutEnd(allowance, period)! + life.ttl;
      return end > LAST ? null : end;
    }
    case "never":
      return null;
  }
}

/**
 * When the window that holds an instant ends: before the first instant of the calendar's next unit;
 * null: never.
 */
export function endOfWindow(window: Limit["window"], time: Micros): Micros | null {
  if (window.kind === "total") return null;
  const { unit, timeZone } = window;
  const date = zoned(time, timeZone).toPlainDate();
  const first = {
    day: date,
    week: date.subtract({ days: date.dayOfWeek - 1 }),
    month: date.with({ day: 1 }),
    year: date.with({ day: 1, month: 1 }),
  };
  // Where clocks go back over midnight, a day may have begun before the last hour of the one before.
  for (let units = 1; ; units += 1) {
    const next = first[unit].add({ [`${unit}s`]: units });
    const end = next.toZonedDateTime(timeZone).epochNanoseconds / 1000n;
    if (end > time) return end;
  }
}

const LAST = 253_402_300_799_999_999n;
const DAYS = { day: 1, week: 7, month: 28, year: 365 } as const;
const DAY = 86_400_000_000n;

/** When a period would begin if the allowance had no end; null: not before the year 10000. */
export function startWithoutEnd(
  { startTime, every, timeZone }: Allowance,
  period: number,
): Micros | null {
  const count = every.count * period;
  // Temporal has no dates so far away.
  if (startTime + BigInt(count * DAYS[every.unit]) * DAY > LAST) return null;
  const { epochNanoseconds } = zoned(startTime, timeZone).add({ [`${every.unit}s`]: count });
  const time = epochNanoseconds / 1000n;
  return time > LAST ? null : time;
}

function zoned(time: Micros, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(Number(time / 1000n))
    .add({ microseconds: Number(time % 1000n) })
    .toZonedDateTimeISO(timeZone);
}
