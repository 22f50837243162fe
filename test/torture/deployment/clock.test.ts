import { performance } from "node:perf_hooks";
import { expect, test, vi } from "vitest";
import { clockOf } from "./clock.ts";

test("a pause between the readings of two clocks is not taken for a clock step", () => {
  const clock = clockOf(0);
  const [start, end] = [performance.now(), performance.now() + 1];
  const before = clock.span(start, end);
  vi.spyOn(Date, "now").mockImplementationOnce(() => {
    const wall = performance.timeOrigin + performance.now();
    for (const until = performance.now() + 20; performance.now() < until;);
    return Math.floor(wall);
  });
  const after = clock.span(start, end);
  // One of the two clocks counts whole milliseconds.
  for (const key of ["from", "upTo"] as const) {
    expect(Math.abs(Number(after[key] - before[key]))).toBeLessThan(2_000);
  }
});

test("a clock is steady again once the change to it is answered", () => {
  const clock = clockOf(0);
  const start = performance.now();
  expect(clock.isSteady(start)).toBe(true);
  const changed = clock.change({ ahead: -100_000n });
  expect(clock.isSteady(performance.now())).toBe(false);
  changed();
  expect(clock.isSteady(start)).toBe(false);
  expect(clock.isSteady(performance.now())).toBe(true);
  expect(clock.isSteady()).toBe(false);
});
