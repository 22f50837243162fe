import type { Micros } from "../ledger/time.ts";
import type { Mark } from "./lives.ts";

/** A look at which transactions are under way, in one snapshot. */
export type Look = Pick<Mark, "epoch" | "beginTime"> & {
  /** The oldest transaction under way: all that are below it have ended, and so stay as they are. */
  readonly xmin: bigint;
  /** The transaction that comes next. */
  readonly xmax: bigint;
  /** The end of the WAL, and so behind all that has ended. */
  readonly lsn: bigint;
  /** Up to where the WAL is on disk. */
  readonly flushedLsn: bigint;
  /** All that was committed before is in the snapshot. */
  readonly time: Micros;
};

/**
 * By how much the place of a look at a standby may be behind the end of its WAL. A commit is seen there
 * shortly before the place that was replayed is behind it; one byte more is between that commit and
 * whatever lacks it.
 */
export const STANDBY_LSN_MARGIN = 1n;

/** How far a reader of the stream may go: all entries with a lower feed number are there, for good. */
export type Horizon = Mark & {
  /** All that was committed before is among them; undefined: not known yet. */
  readonly caughtUpTo: Micros | undefined;
  /** The last look, whether the WAL before it is on disk or not. */
  readonly seen: Pick<Look, "xmax" | "lsn">;
};

/** What is known from the looks so far. */
export type Horizons = {
  readonly horizon: Horizon | undefined;
  /** A look that waits until the WAL before it is on disk. */
  readonly waiting: Look | undefined;
  /** Looks whose `xmax` the horizon has not reached yet, oldest first. */
  readonly ahead: readonly Pick<Look, "time" | "xmax">[];
  readonly last: Look | undefined;
  /** Since when the oldest transaction under way has been the oldest. */
  readonly oldestSince: Micros;
};

/** Before the first look. */
export const NO_LOOK: Horizons = {
  horizon: undefined,
  waiting: undefined,
  ahead: [],
  last: undefined,
  oldestSince: 0n,
};

const MAX_AHEAD = 1_000;

/**
 * Takes a look. A horizon is passed on once the WAL before it is on disk: if PostgreSQL commits
 * asynchronously, a crash takes back nothing that a reader was sent.
 */
export function look(before: Horizons, now: Look): Horizons {
  const { last } = before;
  const isSameLife = last?.epoch === now.epoch && last.beginTime === now.beginTime;
  // It is less only at a standby that lags more than what was looked at before: what is known of a time
  // would be too much there.
  const known = isSameLife && last.xmin <= now.xmin ? before : NO_LOOK;
  const seen = [...known.ahead.filter(({ xmax }) => xmax !== now.xmax), now];
  const ahead = seen.length > MAX_AHEAD ? seen.toSpliced(MAX_AHEAD / 2, 1) : seen;
  const isStuck = now.xmin < now.xmax && known.last?.xmin === now.xmin;
  const oldestSince = isStuck ? known.oldestSince : now.time;
  const flushed = [now, known.waiting].find((one) => one && one.lsn <= now.flushedLsn);
  const waiting = flushed === now ? undefined : flushed ? now : (known.waiting ?? now);
  const rest = { ahead, waiting, last: now, oldestSince };
  if (flushed === undefined) {
    return { ...rest, horizon: known.horizon && { ...known.horizon, seen: now } };
  }
  const { epoch, beginTime, xmin: feed, lsn } = flushed;
  const passed = ahead.findLast(({ time, xmax }) => xmax <= feed && time <= flushed.time);
  const caughtUpTo = passed?.time ?? known.horizon?.caughtUpTo;
  return {
    ...rest,
    ahead: passed === undefined ? ahead : ahead.slice(ahead.indexOf(passed)),
    horizon: { epoch, beginTime, feed, lsn, caughtUpTo, seen: now },
  };
}

const FLUSH_AFTER_MICROS = 100_000n;

/**
 * Whether a look has waited for the disk for 100 ms. Reads write to the WAL too, since they prune
 * pages, and PostgreSQL leaves that in memory until somebody commits, or for 15 s.
 */
export function isUnflushed({ waiting, last }: Horizons): boolean {
  return waiting !== undefined && last!.time - waiting.time >= FLUSH_AFTER_MICROS;
}

/**
 * For how long a transaction under way has kept the horizon where it is, in milliseconds; 0: none
 * has.
 */
export function heldBackMs({ last, oldestSince }: Horizons): number {
  return last === undefined ? 0 : Number((last.time - oldestSince) / 1_000n);
}
