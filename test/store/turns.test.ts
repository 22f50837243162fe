import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TURN_MAX_ROWS, whoWaits, type Wish } from "../../src/store/batch/turns.ts";

describe("who waits for the next batch", () => {
  const cases: [title: string, rows: readonly number[], waiting: readonly number[]][] = [
    ["nobody, if there is room for all", [4_000, 100, 4_000], []],
    ["nobody who needs no rows", [9_000, 0, 0], []],
    ["not the first, however many it needs", [9_000, 10], [1]],
    ["not the first who needs any", [0, 9_000, 10], [2]],
    ["those who need most of the others", [4_000, 4_000, 200, 100], [1]],
  ];
  test.each(cases)("%s", (_, rows, waiting) => {
    expect(whoWaits(wishes(rows))).toEqual(new Set(waiting.map(String)));
  });

  test("is always so few that the rest fits, and all have their turn", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 100 }), (rows) => {
        let left = wishes(rows);
        for (let batch = 0; left.length > 0; batch += 1) {
          expect(batch).toBeLessThanOrEqual(rows.length);
          const waiting = whoWaits(left);
          const served = left.filter(({ userId }) => !waiting.has(userId));
          const sum = served.reduce((total, one) => total + one.rows, 0);
          expect(sum).toBeLessThanOrEqual(TURN_MAX_ROWS);
          left = left.filter(({ userId }) => waiting.has(userId));
        }
      }),
    );
  });
});

function wishes(rows: readonly number[]): readonly Wish[] {
  return rows.map((count, index) => ({ userId: String(index), rows: count }));
}
