import { sql } from "kysely";
import type { Horizon } from "../../feed/horizon.ts";
import type { FeedRange } from "../../feed/read-stream.ts";
import { endOfRange, FEED_END, FIRST_WIDTH, narrowed, nextWidth } from "../../feed/width.ts";
import { requireRows } from "../batch/write.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { TRANSACTION_MAX_MS } from "../driver/session.ts";
import { inTransaction, type Run } from "../driver/transaction.ts";
import { addRange } from "./add-range.ts";
import { CAUGHT_UP_TO, MARK } from "./caught-up.ts";
import { tryProjectionLock } from "./lock.ts";
import { begunAnew, empty } from "./rebuild.ts";
import { keysOf } from "./search-keys.ts";
import { readStanding, type Standing } from "./standing.ts";

/** A step's part: from where the last one ended, up to the horizon at most. */
type StepOptions = {
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
  /** The tables were not those of which the place tells: they are to be built anew. */
  | { readonly kind: "emptied" }
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

// At 12 to 25 µs an entry a step takes half a second at most. Its transaction holds back the stream
// of entries for so long.
const STEP_MAX_ENTRIES = 20_000;
// A range that is too wide costs one try more, and a ledger's first transaction may be the 2^40th.
const WANTED = { entries: 10_000, ifNone: 2n ** 16n };
const STEP_MAX_MS = 4_000;

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
      const [isLocked, at, epochs] = await Promise.all([
        tryProjectionLock(run),
        readStanding(run),
        readEpochs(run, epoch),
        // What is sorted and added up stays in memory.
        run(sql`set local work_mem = '32MB'`),
      ]);
      const isSameLife = epoch === horizon.epoch && epochs.beginTime === horizon.beginTime;
      const isNow = isLocked && isSameLife && at.isDue && !isOlderThan(horizon, at);
      if (!isNow) return { kind: "not now" };
      if (!at.isMarked) {
        await empty(run);
        await commit([MARK, begunAnew()]);
        return { kind: "emptied" };
      }
      const searchKeys = at.searchKeys ?? options.searchKeys;
      const { entries, to } = await addFrom(run, at, { horizon, width, searchKeys });
      const hasEnded = at.epoch < horizon.epoch;
      const isAtHorizon = !hasEnded && to === horizon.feed;
      const next =
        hasEnded && to === FEED_END
          ? { epoch: epochs.next!, feed: 0n, width: FIRST_WIDTH }
          : { epoch: at.epoch, feed: to, width: isAtHorizon ? width : to - at.feed };
      await commit([moved(at, { ...next, isAtHorizon, searchKeys, horizon })]);
      return {
        kind: "done",
        entries,
        isAtHorizon,
        searchKeys,
        epoch: next.epoch,
        feed: next.feed,
        nextWidth: nextWidth(next.width, entries, WANTED),
      };
    },
    // The entries of one feed number cannot be divided: they take as long as they take.
    width > 1n ? STEP_MAX_MS : TRANSACTION_MAX_MS,
  );
}

/** When the connection's epoch began, and which one comes after that of the tables. */
async function readEpochs(
  run: Run,
  current: bigint,
): Promise<{ beginTime: bigint; next: bigint | undefined }> {
  const { rows } = await run(sql<{ begin_time: string; next: number | null }>`
    select (select begin_time from epoch where epoch = ${current}::bigint) as begin_time,
      (select min(epoch) from epoch where epoch.epoch > projection.epoch) as next
    from projection`);
  const { begin_time: beginTime, next } = rows[0]!;
  return {
    beginTime: fromTimestamptz(beginTime),
    next: next === null ? undefined : BigInt(next),
  };
}

/** Whether another server's horizon was later, so that nothing is between. */
function isOlderThan(horizon: Horizon, { epoch, feed }: Standing): boolean {
  return epoch > horizon.epoch || (epoch === horizon.epoch && feed > horizon.feed);
}

/** Adds a range from a place on, as wide as it may be. @returns its end, and its entries */
async function addFrom(
  run: Run,
  at: Standing,
  { horizon, width, searchKeys }: StepOptions,
): Promise<{ entries: number; to: bigint }> {
  const limit = at.epoch < horizon.epoch ? FEED_END : horizon.feed;
  let to = endOfRange(at.feed, width, limit);
  for (let tries = 1; ; tries += 1) {
    const range: FeedRange = { epoch: at.epoch, from: at.feed, to };
    // The entries of one feed number cannot be divided.
    const maxEntries = to - at.feed > 1n ? STEP_MAX_ENTRIES : Number.MAX_SAFE_INTEGER - 1;
    const { count, middle } = await addRange(run, range, { searchKeys, maxEntries });
    if (count <= maxEntries) return { entries: count, to };
    // Behind a gap, quarters would all be too wide, or end in the gap. As a rule the first entries are
    // found first.
    const half = middle! - at.feed || 1n;
    to = at.feed + (tries === 1 ? half : narrowed(to - at.feed));
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
function moved(from: Standing, { epoch, feed, isAtHorizon, searchKeys, horizon }: Moved) {
  const passed = isAtHorizon ? horizon.caughtUpTo : undefined;
  const pause = isAtHorizon
    ? sql`interval '1 millisecond' * ${String(STEP_EVERY_MS)}::integer`
    : sql`clock_timestamp() - transaction_timestamp()`;
  const update = sql`
    update projection set epoch = ${String(epoch)}::integer, feed = ${String(feed)}::bigint,
      search_keys = ${keysOf(searchKeys)},
      caught_up_to = greatest(${CAUGHT_UP_TO},
        nullif(${passed === undefined ? "" : toTimestamptz(passed)}::text, '')::timestamptz),
      step_time = clock_timestamp() + (${pause})
    where epoch = ${String(from.epoch)}::integer and feed = ${String(from.feed)}::bigint`;
  return requireRows(update, 1, "the place of the index was moved meanwhile");
}
