import { expect, test } from "vitest";
import { RETRY_LIMITS, verdictOn, waitMs } from "../../src/relay/verdict.ts";

const NOW_MS = Date.parse("2030-01-31T12:00:00Z");

test.each([
  [200, null, { kind: "delivered" }],
  [204, "5", { kind: "delivered" }],
  [299, null, { kind: "delivered" }],
  [301, null, { kind: "failed", askedMs: 0 }],
  [400, "5", { kind: "refused" }],
  [401, null, { kind: "failed", askedMs: 0 }],
  [404, null, { kind: "failed", askedMs: 0 }],
  [410, null, { kind: "gone" }],
  [413, null, { kind: "refused" }],
  [422, null, { kind: "refused" }],
  [429, "7", { kind: "failed", askedMs: 7_000 }],
  [500, null, { kind: "failed", askedMs: 0 }],
  [503, "Thu, 31 Jan 2030 12:01:00 GMT", { kind: "failed", askedMs: 60_000 }],
  [503, "Thu, 31 Jan 2030 11:59:00 GMT", { kind: "failed", askedMs: 0 }],
  [503, "soon", { kind: "failed", askedMs: 0 }],
  [503, "-1", { kind: "failed", askedMs: 0 }],
])("HTTP %i with Retry-After %s is %o", (status, retryAfter, verdict) => {
  expect(verdictOn(status, retryAfter, NOW_MS)).toEqual(verdict);
});

test.each([
  { attempt: 1, askedMs: 0, random: 0, ms: 500 },
  { attempt: 1, askedMs: 0, random: 1, ms: 1_000 },
  { attempt: 2, askedMs: 0, random: 1, ms: 2_000 },
  { attempt: 9, askedMs: 0, random: 1, ms: 256_000 },
  { attempt: 10, askedMs: 0, random: 1, ms: 300_000 },
  { attempt: 5_000, askedMs: 0, random: 0, ms: 150_000 },
  { attempt: 1, askedMs: 7_000, random: 1, ms: 7_000 },
  { attempt: 10, askedMs: 7_000, random: 1, ms: 300_000 },
  { attempt: 1, askedMs: 1e15, random: 1, ms: 3_600_000 },
])("attempt $attempt, asked for $askedMs ms, waits $ms ms at random $random", (given) => {
  const { ms, ...failed } = given;
  expect(waitMs(failed, RETRY_LIMITS)).toBe(ms);
});
