import { sql } from "kysely";
import type { Horizon } from "../../feed/horizon.ts";
import type { FeedRange } from "../../feed/read-stream.ts";
import { requireRows } from "../batch/write.ts";
import type { ProjectionRow } from "../driver/entities.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { TRANSACTION_MAX_MS } from "../driver/session.ts";
import { inTransaction, type Run } from "../driver/transaction.ts";
import { addRange } from "./add-range.ts";
import { tryProjectionLock } from "./lock.ts";
import { keysOf } from "./rebuild.ts";

/** A step's part: from where the last one ended, up to the horizon at most. */
export type StepOptions = {
  readonly horizon: Horizon;
  /** How many feed numbers it looks at. */
  readonly width: bigint;
  /** For who begins: the keys of metadata to index. */
  readonly searchKeys: readonly string[];
};

/** What became of a step. */
export type Step =
  /** Another transaction has the lock; the step was not due; or the horizon is of another life. */
  | { readonly kind: "not now" }
  | {
      readonly kind: "done";
      readonly entries: number;
      /** Behind the last entry that the tables have. */
      readonly epoch: bigint;
      readonly feed: bigint;
      readonly isAtHorizon: boolean;
      /** The keys of metadata that are indexed. */
      readonly searchKeys: readonly string[];
      readonly nextWidth: bigint;
    };

/** How long after a step that has reached the horizon the next one comes. */
export const STEP_EVERY_MS = 2_000;

// At 12 µs an entry a step takes a quarter of a second at most. Its transaction holds back the stream
// of entries for so long.
const STEP_MAX_ENTRIES = 20_000;
const WANTED_ENTRIES = 10_000;
const STEP_MAX_MS = 4_000;
const END = 2n ** 63n - 1n;

/** The width to begin with, and the most after a step that took too long. */
export const FIRST_WIDTH = 64n;

/**
 * Adds the next entries to the index and the sums, and moves the place behind them, in one
 * transaction: whatever a crash, a failover or a restore takes back, it takes back both. So the place
 * needs none of the marks by which a reader elsewhere finds out what was lost.
 *
 * Many servers may ask for steps: the row says when the next one is due. The lock comes first, in a
 * statement of its own: the next one sees all that its last holder did.
 *
 * @throws an error of the class "timeout" (faultOf) if the range should be narrower
 */
export async function stepProjection(orm: Orm, options: StepOptions): Promise<Step> {
  const { horizon, width } = options;
  return inTransaction(
    orm,
    async ({ run, epoch, commit }): Promise<Step> => {
      const [isLocked, at] = await Promise.all([
        tryProjectionLock(run),
        readPlace(run, epoch),
        // What is sorted and added up stays in memory.
        run(sql`set local work_mem = '32MB'`),
      ]);
      const isSameLife = epoch === horizon.epoch && at.beginTime === horizon.beginTime;
      const isNow = isLocked && isSameLife && at.isDue && !isBehind(horizon, at);
      if (!isNow) return { kind: "not now" };
      const searchKeys = at.searchKeys ?? options.searchKeys;
      const { entries, to } = await addFrom(run, at, { horizon, width, searchKeys });
      const hasEnded = at.epoch < horizon.epoch;
      const next =
        hasEnded && to === END ? { epoch: at.nextEpoch!, feed: 0n } : { ...at, feed: to };
      const isAtHorizon = !hasEnded && to === horizon.feed;
      await commit([moved(at, { ...next, isAtHorizon, searchKeys, horizon })]);
      const { feed } = next;
      const nextWidth = widthAfter(to - at.feed, entries, width);
      return { kind: "done", entries, epoch: next.epoch, feed, isAtHorizon, searchKeys, nextWidth };
    },
    // The entries of one feed number cannot be divided: they take as long as they take.
    width > 1n ? STEP_MAX_MS : TRANSACTION_MAX_MS,
  );
}

/** Where the tables are, and what there is beside them. */
type At = {
  readonly epoch: bigint;
  readonly feed: bigint;
  /** Undefined: nobody has begun. */
  readonly searchKeys: readonly string[] | undefined;
  readonly isDue: boolean;
  /** When the connection's epoch began. */
  readonly beginTime: bigint;
  /** The epoch after that of the place. */
  readonly nextEpoch: bigint | undefined;
};

async function readPlace(run: Run, current: bigint): Promise<At> {
  // A clock that was set back may say that the step is due in an hour.
  const { rows } = await run(sql<PlaceRow>`
    select epoch, feed, search_keys,
      coalesce(step_time not between clock_timestamp() and clock_timestamp() + interval '1 minute',
        true) as is_due,
      (select begin_time from epoch where epoch = ${current}::bigint) as begin_time,
      (select min(epoch) from epoch where epoch.epoch > projection.epoch) as next_epoch
    from projection`);
  const row = rows[0]!;
  return {
    epoch: BigInt(row.epoch),
    feed: BigInt(row.feed),
    searchKeys: row.search_keys ?? undefined,
    isDue: row.is_due,
    beginTime: fromTimestamptz(row.begin_time),
    nextEpoch: row.next_epoch === null ? undefined : BigInt(row.next_epoch),
  };
}

type PlaceRow = Pick<ProjectionRow, "epoch" | "feed" | "search_keys"> & {
  is_due: boolean;
  begin_time: string;
  next_epoch: number | null;
};

/** Whether another server's horizon was later, so that nothing is between. */
function isBehind(horizon: Horizon, at: At): boolean {
  return at.epoch > horizon.epoch || (at.epoch === horizon.epoch && at.feed > horizon.feed);
}

/** Adds a range from a place on, as wide as it may be. @returns its end, and its entries */
async function addFrom(
  run: Run,
  at: At,
  { horizon, width, searchKeys }: StepOptions,
): Promise<{ entries: number; to: bigint }> {
  const limit = at.epoch < horizon.epoch ? END : horizon.feed;
  for (let to = min(at.feed + width, limit); ; to = at.feed + max((to - at.feed) / 4n, 1n)) {
    const range: FeedRange = { epoch: at.epoch, from: at.feed, to };
    // The entries of one feed number cannot be divided.
    const maxEntries = to - at.feed > 1n ? STEP_MAX_ENTRIES : Number.MAX_SAFE_INTEGER - 1;
    const entries = await addRange(run, range, { searchKeys, maxEntries });
    if (entries <= maxEntries) return { entries, to };
  }
}

type Moved = {
  readonly epoch: bigint;
  readonly feed: bigint;
  readonly isAtHorizon: boolean;
  readonly searchKeys: readonly string[];
  readonly horizon: Horizon;
};

/**
 * Moves the place, unless it is elsewhere. Who is behind pauses for as long as the step took: charges
 * have half of the time for themselves.
 */
function moved(from: At, { epoch, feed, isAtHorizon, searchKeys, horizon }: Moved) {
  const passed = isAtHorizon ? horizon.caughtUpTo : undefined;
  const pause = isAtHorizon
    ? sql`interval '1 millisecond' * ${String(STEP_EVERY_MS)}::integer`
    : sql`clock_timestamp() - transaction_timestamp()`;
  const update = sql`
    update projection set epoch = ${String(epoch)}::integer, feed = ${String(feed)}::bigint,
      search_keys = ${keysOf(searchKeys)},
      caught_up_to = greatest(caught_up_to,
        nullif(${passed === undefined ? "" : toTimestamptz(passed)}::text, '')::timestamptz),
      step_time = clock_timestamp() + (${pause})
    where epoch = ${String(from.epoch)}::integer and feed = ${String(from.feed)}::bigint`;
  return requireRows(update, 1, "the place of the index was moved meanwhile");
}

/** @param tried how many feed numbers had these entries: the horizon may have cut the width */
function widthAfter(tried: bigint, entries: number, width: bigint): bigint {
  // What has too many is made narrower in a few tries.
  if (entries === 0) return END;
  if (entries >= WANTED_ENTRIES) return max(tried / 2n, 1n);
  return entries < WANTED_ENTRIES / 2 ? min(max(tried, width) * 2n, END) : tried;
}

function min(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

function max(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
