import { performance } from "node:perf_hooks";
import { expect, test, vi } from "vitest";
import { clockOf } from "./clock.ts";

test("who sleeps between reading two clocks takes that for no step of one of them", () => {
  const clock = clockOf(0);
  const [start, end] = [performance.now(), performance.now() + 1];
  const before = clock.span(start, end);
  vi.spyOn(Date, "now").mockImplementationOnce(() => {
    const wall = performance.timeOrigin + performance.now();
    for (const until = performance.now() + 20; performance.now() < until;);
    return Math.floor(wall);
  });
  const after = clock.span(start, end);
  // Of the two clocks, one counts whole milliseconds.
  for (const key of ["from", "upTo"] as const) {
    expect(Math.abs(Number(after[key] - before[key]))).toBeLessThan(2_000);
  }
});

test("a clock is steady again after the answer to what set it", () => {
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
