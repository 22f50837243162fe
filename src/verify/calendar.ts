import { Temporal } from "temporal-polyfill";
import type { Allowance } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";

/** When a period of an allowance begins; null: never, for the allowance ends before. */
export function startOfPeriod(allowance: Allowance, period: number): Micros | null {
  const time = timeOf(allowance, period);
  const { endTime } = allowance;
  return time === null || (endTime !== null && time >= endTime) ? null : time;
}

/** When the points of a period expire; null: never. */
export function endOfPoints(allowance: Allowance, period: number): Micros | null {
  const { life } = allowance;
  switch (life.kind) {
    case "periods":
      return timeOf(allowance, period + life.count);
    case "ttl": {
      const end = timeOf(allowance, period)! + life.ttl;
      return end > LAST ? null : end;
    }
    case "never":
      return null;
  }
}

const LAST = 253_402_300_799_999_999n;
const DAYS = { day: 1, week: 7, month: 28, year: 365 } as const;
const DAY = 86_400_000_000n;

function timeOf({ startTime, every, timeZone }: Allowance, period: number): Micros | null {
  const count = every.count * period;
  // Temporal has no dates so far away.
  if (startTime + BigInt(count * DAYS[every.unit]) * DAY > LAST) return null;
  const { epochNanoseconds } = Temporal.Instant.fromEpochMilliseconds(Number(startTime / 1000n))
    .add({ microseconds: Number(startTime % 1000n) })
    .toZonedDateTimeISO(timeZone)
    .add({ [`${every.unit}s`]: count });
  const time = epochNanoseconds / 1000n;
  return time > LAST ? null : time;
}
