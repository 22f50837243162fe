import type { Micros } from "../ledger/time.ts";
import { before, comparePlaces, type Cursor, type Place } from "./cursor.ts";
import { type Horizon, STANDBY_LSN_MARGIN } from "./horizon.ts";
import { isKept, type Life, withMark } from "./lives.ts";
import { endOfRange, FEED_END, FIRST_WIDTH, narrowed, nextWidth } from "./width.ts";

/** Feed numbers of an epoch: from the one on, below the other. */
export type FeedRange = { readonly epoch: bigint; readonly from: bigint; readonly to: bigint };

/** What has a place in the stream. */
export type Placed<Item> = { readonly place: Place; readonly item: Item };

/** Where the stream is read from. */
export type StreamSource<Item> = {
  /** The horizon after another look, which begins some tens of milliseconds later. It may lag. */
  readonly horizon: () => Promise<Horizon>;
  /** Where the primary is: no transaction that anybody has seen is behind its `xmax`. */
  readonly present: () => Promise<Present>;
  /** All lives of the ledger, oldest first. */
  readonly lives: () => Promise<readonly Life[]>;
  /**
   * Reads what of a range the reader wants, in order of places; undefined: more is in the range than
   * is read at once, and it is wider than one feed number.
   */
  readonly read: (range: FeedRange) => Promise<ReadRange<Item> | undefined>;
};

/** Where a database is. */
export type Present = Pick<Horizon, "epoch" | "beginTime" | "seen">;

/** What a range had: what the reader wants, and how much there was in all. */
export type ReadRange<Item> = { readonly items: readonly Placed<Item>[]; readonly count: number };

/** A piece of the stream. */
export type Piece<Item> = {
  /** All of one epoch. */
  readonly items: readonly Placed<Item>[];
  /** Behind them. */
  readonly cursor: Cursor;
  readonly caughtUpTo: Micros | undefined;
  /** Another life has begun: the piece has no items, and those from a place on may be lost. */
  readonly change: LifeChange | undefined;
};

/** One life has ended, or several, and another one goes on. */
export type LifeChange = {
  /** The first of them. */
  readonly ended: bigint;
  readonly began: Pick<Life, "epoch" | "beginTime">;
  /** All that was sent from here on is in doubt; undefined: nothing is. */
  readonly doubtedFrom: Place | undefined;
};

// A range is as wide as it takes to find so many.
const WANTED = { entries: 1_000, ifNone: 2n };

// After so many steps without a piece, a piece without items says how far the stream is. While nothing
// happens a step takes 50 ms: that is once a second. Where many readers wait for each other, a step
// takes longer, and who hears nothing for long thinks that the line is broken.
const QUIET_STEPS = 20;
const QUIET_MS = 1_000;

/**
 * The stream from a cursor on, for ever. In the life that goes on it keeps below the horizon; lives
 * that have ended it reads to their end. Where the horizon lags behind the cursor, it waits. It reads
 * ranges of feed numbers one after the other, each by a query of its own, so that a slow reader holds
 * nothing back.
 *
 * @param start undefined: now
 * @throws what the source throws
 */
export async function* readStream<Item>(
  source: StreamSource<Item>,
  start: Cursor | undefined,
): AsyncGenerator<Piece<Item>> {
  const horizon = await source.horizon();
  const resumed = await resume(source, start ?? nowAt(horizon), horizon);
  let state: Reading<Item> = { horizon, width: FIRST_WIDTH, items: [], ...resumed };
  let quiet = { steps: 0, since: performance.now() };
  yield pieceOf(state);
  for (;;) {
    state = await advance(source, state);
    quiet.steps += 1;
    if (state.items.length > 0 || state.change !== undefined || isTooQuiet(quiet)) {
      yield pieceOf(state);
      quiet = { steps: 0, since: performance.now() };
    }
  }
}

function isTooQuiet({ steps, since }: { readonly steps: number; readonly since: number }): boolean {
  return steps >= QUIET_STEPS || performance.now() - since >= QUIET_MS;
}

/** Where a reader is, and what its last step has brought. */
type Reading<Item> = {
  readonly cursor: Cursor;
  readonly horizon: Horizon;
  /** How many feed numbers it reads at once. */
  readonly width: bigint;
  readonly items: readonly Placed<Item>[];
  readonly change: LifeChange | undefined;
};

function pieceOf<Item>({ items, cursor, horizon, change }: Reading<Item>): Piece<Item> {
  const isAtHorizon = comparePlaces(cursor.place, before(horizon.epoch, horizon.feed)) >= 0;
  return { items, cursor, change, caughtUpTo: isAtHorizon ? horizon.caughtUpTo : undefined };
}

/** Reads on; or goes on to the next life; or waits at the horizon. */
async function advance<Item>(
  source: StreamSource<Item>,
  reading: Reading<Item>,
): Promise<Reading<Item>> {
  const { cursor, horizon } = reading;
  const hasEnded = cursor.place.epoch < horizon.epoch;
  const limit = limitIn(cursor.place.epoch, horizon);
  const step = { ...reading, items: [], change: undefined };
  if (cursor.place.feed < limit) return readOn(source, step, limit);
  if (hasEnded) return { ...step, width: FIRST_WIDTH, ...(await enterNextLife(source, reading)) };
  const next = await source.horizon();
  const resumed = isSameLife(horizon, next) ? {} : await resume(source, cursor, next);
  return { ...step, horizon: next, ...resumed };
}

/** Below which feed number an epoch may be read. One that lags may not have come to the epoch yet. */
function limitIn(epoch: bigint, horizon: Horizon): bigint {
  if (epoch < horizon.epoch) return FEED_END;
  return epoch === horizon.epoch ? horizon.feed : 0n;
}

async function readOn<Item>(
  source: StreamSource<Item>,
  reading: Reading<Item>,
  limit: bigint,
): Promise<Reading<Item>> {
  const { cursor, horizon, width } = reading;
  const { epoch, feed: from } = cursor.place;
  const to = endOfRange(from, width, limit);
  const found = await source.read({ epoch, from, to });
  if (found === undefined) return { ...reading, width: narrowed(to - from) };
  return {
    ...reading,
    width: nextWidth(to - from, found.count, WANTED),
    items: found.items.filter(({ place }) => comparePlaces(place, cursor.place) > 0),
    cursor: { place: before(epoch, to), marks: withMark(cursor.marks, horizon) },
  };
}

/** The cursor that a stream goes on with: where it was, or from where on all is in doubt. */
async function resume<Item>(
  source: StreamSource<Item>,
  cursor: Cursor,
  horizon: Horizon,
): Promise<{ cursor: Cursor; change: LifeChange | undefined }> {
  const { place, marks } = cursor;
  const [newest] = marks;
  const here = { cursor, change: undefined };
  if (newest === undefined || goesOn(cursor, horizon)) return here;
  // A standby cannot tell what is lost from what it lacks. Nor can a look at the primary: a standby may
  // show a commit before the primary does, which waits for the others.
  const present = await source.present();
  if (goesOn(cursor, present)) return here;
  if (isSameLife(newest, present)) {
    // The database was put back, by a snapshot of its storage: nobody knows how far.
    const doubtedFrom = before(present.epoch, 0n);
    const older = marks.filter(({ epoch }) => epoch < present.epoch);
    const change = { ended: present.epoch, began: present, doubtedFrom };
    return { cursor: { place: doubtedFrom, marks: older }, change };
  }
  // What the reader was sent behind this cursor may be lost as well, and comes again if it is not.
  const all = await livesUpTo(source, present);
  const kept = marks.filter((mark) => isKept(mark, all));
  const safe = kept[0] ? before(kept[0].epoch, kept[0].feed) : before(all[0]!.epoch, 0n);
  const start = before(place.epoch, place.feed);
  const doubtedFrom = comparePlaces(start, safe) < 0 ? start : safe;
  return {
    cursor: { place: doubtedFrom, marks: kept },
    change: { ended: doubtedFrom.epoch, began: present, doubtedFrom },
  };
}

/** Whether a cursor is of this life, and of no later state of the database than there is. */
function goesOn({ place, marks }: Cursor, { epoch, beginTime, seen }: Present): boolean {
  const [newest] = marks;
  if (!isSameLife(newest!, { epoch, beginTime })) return false;
  // It may be of another server, whose horizon is ahead: the last look tells.
  const isBehind = comparePlaces(place, before(epoch, seen.xmax)) <= 0;
  return isBehind && newest!.lsn <= seen.lsn + STANDBY_LSN_MARGIN;
}

/** @throws an Error of a lost connection: it leads to what was the primary before */
async function livesUpTo<Item>({ lives }: StreamSource<Item>, { epoch }: Present) {
  const all = await lives();
  if (all.some((life) => life.epoch === epoch)) return all;
  throw Object.assign(new Error(`the database has no epoch ${epoch}`), { code: "08006" });
}

type LifeName = Pick<Life, "epoch" | "beginTime">;

function isSameLife(one: LifeName, other: LifeName): boolean {
  return one.epoch === other.epoch && one.beginTime === other.beginTime;
}

async function enterNextLife<Item>(source: StreamSource<Item>, { cursor, horizon }: Reading<Item>) {
  const { epoch: ended } = cursor.place;
  const began = (await livesUpTo(source, horizon)).find(({ epoch }) => epoch > ended)!;
  const change: LifeChange = { ended, began, doubtedFrom: undefined };
  return { cursor: { ...cursor, place: before(began.epoch, 0n) }, change };
}

function nowAt(horizon: Horizon): Cursor {
  return { place: before(horizon.epoch, horizon.feed), marks: [horizon] };
}
