import { expect, test } from "vitest";
import { heldBackMs, type Horizons, isUnflushed, look, NO_LOOK } from "../../src/feed/horizon.ts";

/** The horizon after looks: at which time, the oldest transaction, the next, the WAL and on disk. */
function after(...looks: [time: number, xmin: number, xmax: number, lsn: number, disk: number][]) {
  return looks.reduce<Horizons>((known, [time, xmin, xmax, lsn, flushedLsn]) => {
    const numbers = { time: BigInt(time) * 1_000n, xmin: BigInt(xmin), xmax: BigInt(xmax) };
    const wal = { lsn: BigInt(lsn), flushedLsn: BigInt(flushedLsn) };
    return look(known, { epoch: 1n, beginTime: 1n, ...numbers, ...wal });
  }, NO_LOOK);
}

function shown({ horizon }: Horizons) {
  if (horizon === undefined) return undefined;
  const { feed, lsn, caughtUpTo } = horizon;
  return [feed, lsn, caughtUpTo === undefined ? undefined : caughtUpTo / 1_000n];
}

test("it is the oldest transaction under way, once the WAL before it is on disk", () => {
  expect(shown(after([1, 10, 10, 100, 100]))).toEqual([10n, 100n, 1n]);
  expect(shown(after([1, 10, 10, 100, 99]))).toBeUndefined();
  expect(shown(after([1, 10, 10, 100, 99], [2, 12, 12, 120, 110]))).toEqual([10n, 100n, 1n]);
  expect(shown(after([1, 10, 10, 100, 100], [2, 12, 12, 120, 110]))).toEqual([10n, 100n, 1n]);
});

test("a look that waits for the disk gives way to none that comes after it", () => {
  const busy = after([1, 10, 10, 100, 90], [2, 12, 12, 120, 95], [3, 14, 14, 140, 105]);
  expect(shown(busy)).toEqual([10n, 100n, 1n]);
});

test("the WAL is flushed if a look has waited for 100 ms, since nobody may commit", () => {
  const wal = [10, 10, 100, 90] as const;
  expect(isUnflushed(NO_LOOK)).toBe(false);
  expect(isUnflushed(after([1, ...wal], [100, ...wal]))).toBe(false);
  expect(isUnflushed(after([1, ...wal], [51, ...wal], [101, ...wal]))).toBe(true);
  expect(isUnflushed(after([1, ...wal], [101, 12, 12, 120, 110]))).toBe(false);
});

test("it has caught up to when its oldest transaction had not begun", () => {
  const held = after([1, 10, 10, 100, 100], [2, 10, 12, 120, 120], [3, 10, 15, 150, 150]);
  expect(shown(held)).toEqual([10n, 150n, 1n]);
  const later = look(held, {
    ...held.last!,
    xmin: 13n,
    xmax: 16n,
    lsn: 160n,
    flushedLsn: 160n,
    time: 4_000n,
  });
  expect(shown(later)).toEqual([13n, 160n, 2n]);
});

test("another life begins anew", () => {
  const before = after([1, 1_000, 1_000, 100, 100]);
  const other = { ...before.last!, epoch: 2n, xmin: 10n, xmax: 11n, time: 9_000n };
  expect(shown(look(before, other))).toEqual([10n, 100n, undefined]);
});

test("a transaction holds it back for as long as it is the oldest", () => {
  expect(heldBackMs(after([1, 10, 10, 100, 100], [5, 10, 10, 100, 100]))).toBe(0);
  expect(heldBackMs(after([1, 10, 11, 100, 100], [5, 10, 14, 140, 140]))).toBe(4);
  expect(heldBackMs(after([1, 10, 11, 100, 100], [5, 12, 14, 140, 140]))).toBe(0);
});

test("what is remembered of looks is bounded, however long a transaction is open", () => {
  const looks = Array.from({ length: 3_000 }, (_, n): [number, number, number, number, number] => [
    n,
    10,
    11 + n,
    100 + n,
    100 + n,
  ]);
  const known = after(...looks);
  expect(known.ahead.length).toBeLessThanOrEqual(1_000);
  expect(shown(known)![1]).toBe(3_099n);
});

test("a standby that lags more than the one before begins anew with what it knows", () => {
  expect(shown(after([5, 14, 14, 140, 140], [3, 10, 12, 120, 120]))).toEqual([
    10n,
    120n,
    undefined,
  ]);
  expect(shown(after([5, 14, 14, 140, 140], [3, 10, 10, 120, 120]))).toEqual([10n, 120n, 3n]);
});
