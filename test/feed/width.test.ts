import { expect, test } from "vitest";
import { endOfRange, FEED_END, narrowed, nextWidth } from "../../src/feed/width.ts";

const WANTED = { entries: 1_000, ifNone: 16n };

test.each([
  { width: 80n, count: 2_000, next: 40n },
  { width: 80n, count: 500, next: 80n },
  { width: 80n, count: 499, next: 160n },
  { width: 80n, count: 0, next: 1_280n },
  { width: 1n, count: 2_000, next: 1n },
  { width: FEED_END, count: 0, next: FEED_END },
])("after $count entries in a range of $width the next one has $next", ({ width, count, next }) => {
  expect(nextWidth(width, count, WANTED)).toBe(next);
});

test("a range ends at the limit, and one that has too many is narrowed, but has a number", () => {
  expect(endOfRange(10n, 64n, 100n)).toBe(74n);
  expect(endOfRange(10n, FEED_END, 100n)).toBe(100n);
  expect(narrowed(100n)).toBe(25n);
  expect(narrowed(3n)).toBe(1n);
});
