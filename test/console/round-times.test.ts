import { expect, test } from "vitest";
import { roundTimes } from "../../console/parts/round-times.ts";

// In the zone of the machine, as the page does it in the browser's.
const at = (...date: [number, number, number, number?, number?, number?]) =>
  new Date(...date).getTime();
const written = (times: readonly number[]) =>
  times.map((time) => new Date(time).toLocaleString("sv-SE"));

test.each([
  [
    at(2026, 10, 30, 9, 58, 7),
    at(2026, 10, 30, 10, 2, 3),
    ["2026-11-30 09:59:00", "2026-11-30 10:00:00", "2026-11-30 10:01:00", "2026-11-30 10:02:00"],
  ],
  [
    at(2026, 10, 29, 13),
    at(2026, 10, 30, 14),
    ["2026-11-29 18:00:00", "2026-11-30 00:00:00", "2026-11-30 06:00:00", "2026-11-30 12:00:00"],
  ],
  [
    at(2026, 10, 20, 13),
    at(2026, 10, 30, 14),
    [
      "2026-11-22 00:00:00",
      "2026-11-24 00:00:00",
      "2026-11-26 00:00:00",
      "2026-11-28 00:00:00",
      "2026-11-30 00:00:00",
    ],
  ],
  [
    at(2025, 7, 3),
    at(2026, 10, 30),
    [
      "2025-10-01 00:00:00",
      "2026-01-01 00:00:00",
      "2026-04-01 00:00:00",
      "2026-07-01 00:00:00",
      "2026-10-01 00:00:00",
    ],
  ],
  [at(2026, 10, 30, 9), at(2026, 10, 30, 9), ["2026-11-30 09:00:00"]],
])("between %i and %i they are %j", (from, to, times) => {
  expect(written(roundTimes(from, to))).toEqual(times);
});

test("of a century there are few", () => {
  expect(roundTimes(at(1970, 0, 1), at(2070, 0, 1)).length).toBeLessThanOrEqual(7);
});
