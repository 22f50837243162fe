import { describe, expect, test } from "vitest";
import { moreOf } from "../../console/parts/more-entries.ts";

/** What is known after pages of so many entries. */
function after(counts: readonly number[], others: { isFetching?: boolean; error?: unknown } = {}) {
  const pages = counts.map((length) => ({ entries: Array.from({ length }) }));
  const state = { error: null, isFetching: false, hasNextPage: true, fetchNextPage: () => {} };
  return moreOf({ data: { pages }, ...state, ...others });
}

const empty = (length: number) => Array.from({ length }, () => 0);

describe("further pages of entries", () => {
  test("are asked for by themselves while they come", () => {
    expect(after([100])).toMatchObject({ hasMore: true, mustAsk: false });
    expect(after([100], { isFetching: true }).isLoading).toBe(true);
  });

  test("wait for a person after a failure", () => {
    expect(after([100], { error: new Error("away") }).mustAsk).toBe(true);
  });

  test("wait for a person after each ten without an entry", () => {
    const asked = [9, 10, 11, 19, 20].map((count) => after([7, ...empty(count)]).mustAsk);
    expect(asked).toEqual([false, true, false, false, true]);
    expect(after([...empty(10), 1]).mustAsk).toBe(false);
  });
});
