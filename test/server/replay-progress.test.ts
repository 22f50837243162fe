import { expect, test } from "vitest";
import { replayProgress } from "../../src/server/replay-progress.ts";

test("a standby is stuck while it replays no commit, and no longer", () => {
  const progress = replayProgress(2);
  expect(progress.looked(100n)).toBe(true);
  for (let n = 0; n < 3; n += 1) {
    expect(progress.isStuck()).toBe(false);
    expect(progress.looked(100n)).toBe(false);
    progress.committed();
  }
  expect(progress.isStuck()).toBe(true);
  expect(progress.looked(100n)).toBe(false);
  expect(progress.isStuck()).toBe(true);
  expect(progress.looked(101n)).toBe(true);
  expect(progress.isStuck()).toBe(false);
});

test("a standby whose primary's clock went back is stuck for a while, but not for ever", () => {
  const progress = replayProgress(2);
  progress.looked(100n);
  let is = 10n;
  for (; !progress.isStuck(); is += 1n) {
    expect(progress.looked(is)).toBe(false);
    progress.committed();
  }
  expect(progress.looked(is)).toBe(false);
  expect(progress.looked(is + 1n)).toBe(true);
  expect(progress.isStuck()).toBe(false);
});
