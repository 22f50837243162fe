import { sql } from "kysely";
import { type Place, PLACE_HASH_BYTES } from "../../feed/cursor.ts";
import { type Look, STANDBY_LSN_MARGIN } from "../../feed/horizon.ts";
import type { Life } from "../../feed/lives.ts";
import type { FeedRange, Present, ReadRange } from "../../feed/read-stream.ts";
import type { Entry, EntryKind } from "../../ledger/entry.ts";
import { KIND_NUMBERS } from "../../ledger/entry-kinds.ts";
import { toEntry } from "../batch/entries.ts";
import type { EntryRow, EpochEntity, RowOf } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { inTransaction, type Run } from "../driver/transaction.ts";
import { TooOld } from "./lagging.ts";
import type { Reading } from "./reading.ts";

// The journal as a stream, for src/feed/. SQL by hand, since the ORM has neither snapshots nor the
// WAL's places.

/** Which transactions are under way, and where the WAL is. */
export async function lookForHorizon(orm: Orm): Promise<Look> {
  return inTransaction(orm, async ({ run, epoch }) => {
    // The snapshot is older than the place in the WAL, which so is behind all that had ended in it. The
    // time is the transaction's, which is older still: a statement's time is that of its Execute, and its
    // snapshot that of its Bind.
    const { rows } = await run(sql<LookRow>`
      select pg_snapshot_xmin(snapshot) as xmin, pg_snapshot_xmax(snapshot) as xmax,
        pg_current_wal_insert_lsn() - '0/0' as lsn, pg_current_wal_flush_lsn() - '0/0' as flushed,
        transaction_timestamp() as time,
        (select begin_time from epoch where epoch = ${epoch}::bigint) as begin_time
      from (select pg_current_snapshot() as snapshot offset 0) as taken`);
    const [row] = rows;
    return {
      epoch,
      beginTime: fromTimestamptz(row!.begin_time),
      xmin: BigInt(row!.xmin),
      xmax: BigInt(row!.xmax),
      lsn: BigInt(row!.lsn),
      flushedLsn: BigInt(row!.flushed),
      time: fromTimestamptz(row!.time),
    };
  });
}

type LookRow = Record<"xmin" | "xmax" | "lsn" | "flushed" | "time" | "begin_time", string>;

/**
 * The same at a standby. Its snapshot lacks what the primary has not sent yet: transactions that it has
 * not heard the end of are under way. What it has replayed is on the primary's disk.
 *
 * @throws {TooOld} it was promoted meanwhile
 */
export async function lookAtStandbysHorizon({ run, asOf }: Reading): Promise<Look> {
  // A commit that is being replayed is in the snapshot before it counts as replayed. It is none if all
  // that has come is replayed.
  const { rows } = await run(sql<StandbyLookRow>`
    select pg_snapshot_xmin(snapshot) as xmin, pg_snapshot_xmax(snapshot) as xmax, last.epoch,
      last.begin_time, replayed - '0/0' as lsn,
      coalesce(replayed = pg_last_wal_receive_lsn(), false) as is_idle
    from (select pg_current_snapshot() as snapshot, pg_last_wal_replay_lsn() as replayed offset 0)
      as taken
    cross join (select * from epoch order by epoch desc limit 1) as last
    where pg_is_in_recovery()`);
  const [row] = rows;
  if (row === undefined) throw new TooOld();
  const lsn = BigInt(row.lsn) + (row.is_idle ? 0n : STANDBY_LSN_MARGIN);
  return {
    epoch: BigInt(row.epoch),
    beginTime: fromTimestamptz(row.begin_time),
    xmin: BigInt(row.xmin),
    xmax: BigInt(row.xmax),
    lsn,
    flushedLsn: lsn,
    time: asOf,
  };
}

type StandbyLookRow = Record<"xmin" | "xmax" | "lsn" | "begin_time", string> & {
  epoch: number;
  is_idle: boolean;
};

/** Where the primary is: its next transaction, which this takes, and the end of the WAL. */
export async function readPresent(orm: Orm): Promise<Present> {
  return inTransaction(orm, async ({ run, epoch }) => {
    const { rows } = await run(sql<Record<"xmax" | "lsn" | "begin_time", string>>`
      select pg_current_xact_id() as xmax, pg_current_wal_insert_lsn() - '0/0' as lsn,
        (select begin_time from epoch where epoch = ${epoch}::bigint) as begin_time`);
    const { xmax, lsn, begin_time: beginTime } = rows[0]!;
    const seen = { xmax: BigInt(xmax), lsn: BigInt(lsn) };
    return { epoch, beginTime: fromTimestamptz(beginTime), seen };
  });
}

/** Takes the WAL to the disk, by the commit of a transaction that has an id. */
export async function flushWal(orm: Orm): Promise<void> {
  await inTransaction(orm, ({ commit }) =>
    commit([
      sql`select set_config('synchronous_commit', 'local', true), pg_current_xact_id()::text`,
    ]),
  );
}

const SUMMARIZE_MAX_MS = 2_000;

/**
 * Brings the index of feed numbers up to date with the newest entries. What it has done when a timeout
 * ends it, or a vacuum that has the table, stays.
 */
export async function summarizeFeed(orm: Orm): Promise<void> {
  await inTransaction(orm, ({ run }) => run(sql`select summarize_feed()`), SUMMARIZE_MAX_MS);
}

/** All epochs, oldest first. */
export async function readLives(orm: Orm): Promise<readonly Life[]> {
  const { rows } = await sql<RowOf<typeof EpochEntity> & { fork: string | null }>`
    select *, fork_lsn - '0/0' as fork from epoch order by epoch`.execute(
    orm.em.fork().getKysely(),
  );
  return rows.map(({ epoch, begin_time, fork }) => ({
    epoch: BigInt(epoch),
    beginTime: fromTimestamptz(begin_time),
    forkLsn: fork === null ? undefined : BigInt(fork),
  }));
}

/** Who has the oldest transaction under way, in words. */
export async function describeOldest(orm: Orm, xmin: bigint): Promise<string> {
  const { rows } = await sql<{ who: string }>`
    select format('process %s of %s in database %s (%s, %s for %s s)', pid, usename, datname,
      coalesce(nullif(application_name, ''), 'without a name'), state,
      extract(epoch from clock_timestamp() - xact_start)::integer) as who
    from pg_stat_activity where backend_xid = ${xmin}::xid8::xid
    union all
    select format('prepared transaction %L of %s in database %s, prepared at %s', gid, owner,
      database, prepared)
    from pg_prepared_xacts where transaction = ${xmin}::xid8::xid`.execute(
    orm.em.fork().getKysely(),
  );
  const hint = "whose this role may not see: grant it pg_read_all_stats";
  return `transaction ${xmin}: ${rows[0]?.who ?? hint}`;
}

/** An entry of the stream. */
export type StreamedEntry = {
  readonly entry: Entry;
  /** The account's. */
  readonly salt: Uint8Array;
  /** Of an entry that was erased: the hash of the account's entry before it; null: there is none. */
  readonly hashBefore: Uint8Array | null;
};

/** What a reader wants. */
export type StreamFilter = {
  /** Empty: all. */
  readonly kinds: readonly EntryKind[];
  readonly userIdPrefix: string;
};

// A range with more is read in parts: a reader keeps what it has read in memory until it is sent.
const READ_MAX_ENTRIES = 2_500;

/**
 * Reads the entries of a range that pass a filter, in order of places.
 *
 * @returns undefined: the range has too many entries
 */
export async function readFeedRange(
  orm: Orm,
  range: FeedRange,
  filter: StreamFilter,
): Promise<ReadRange<StreamedEntry> | undefined> {
  return inTransaction(orm, async ({ run, epoch }) => {
    const found = await readRange(run, range, filter);
    // A connection may still lead to what was the primary before. And a standby, whose horizon the range
    // may be below, may show a commit before the primary does.
    if (found === "lacking" || epoch < range.epoch) {
      throw Object.assign(new Error("an old primary, or a new commit"), { code: "08006" });
    }
    return found;
  });
}

/**
 * The same of a standby, which may be another one than that whose horizon the range is below.
 *
 * @throws {TooOld} it lacks some of the range
 */
export async function readFeedRangeOfStandby(
  { run }: Reading,
  range: FeedRange,
  filter: StreamFilter,
): Promise<ReadRange<StreamedEntry> | undefined> {
  const found = await readRange(run, range, filter);
  const { rows } = await run(sql<{ lags: boolean }>`select pg_is_in_recovery() as lags`);
  // A standby that was promoted meanwhile counts on by other transactions.
  if (found === "lacking" || !rows[0]!.lags) throw new TooOld();
  return found;
}

/** `lacking`: a transaction of the range is under way, or the database has not come so far. */
async function readRange(
  run: Run,
  { epoch, from, to }: FeedRange,
  { kinds, userIdPrefix }: StreamFilter,
): Promise<ReadRange<StreamedEntry> | "lacking" | undefined> {
  const numbers = kinds.map((kind) => KIND_NUMBERS[kind]);
  // Entries that were erased are in an index of their own.
  const within = sql`epoch = ${epoch}::bigint and feed >= ${from}::bigint
    and feed < ${to}::bigint`;
  const most = to - from > 1n ? READ_MAX_ENTRIES : Number.MAX_SAFE_INTEGER;
  const { rows } = await run(sql<FeedRow>`
    with found as materialized (
      select * from (
        select * from entry where ${within} and personal_digest is null
        union all
        select * from entry where ${within} and personal_digest is not null
      ) as entry
      limit ${most + 1}::bigint
    )
    select counted.*, account.salt, earlier.hash as hash_before, found.*
    from (
      select count(*), pg_snapshot_xmin(pg_current_snapshot()) as xmin,
        (select max(epoch) from epoch) as last_epoch
      from found
    ) as counted
    left join found
      on (cardinality(${numbers}::smallint[]) = 0 or kind = any(${numbers}::smallint[]))
        and starts_with(user_id, ${userIdPrefix}::text)
        and counted.count <= ${most}::bigint
    left join account using (user_id)
    left join entry as earlier on found.personal_digest is not null
      and earlier.user_id = found.user_id and earlier.sequence = found.sequence - 1
    order by found.feed, found.sequence, found.hash`);
  const { xmin, last_epoch: lastEpoch } = rows[0]!;
  const hasEnded = epoch < lastEpoch;
  if (!hasEnded && (epoch > lastEpoch || to > BigInt(xmin))) return "lacking";
  const count = Number(rows[0]!.count);
  if (count > most) return undefined;
  const items = rows
    .filter(({ hash }) => hash !== null)
    .map((row) => {
      const { salt, hash_before: hashBefore } = row;
      return { place: placeOf(row), item: { entry: toEntry(row), salt, hashBefore } };
    });
  return { items, count };
}

type FeedRow = EntryRow & {
  count: string;
  xmin: string;
  last_epoch: number;
  salt: Uint8Array;
  hash_before: Uint8Array | null;
};

function placeOf({ epoch, feed, sequence, hash }: FeedRow): Place {
  const start = Buffer.from(hash.buffer, hash.byteOffset, PLACE_HASH_BYTES).toString("hex");
  return { epoch: BigInt(epoch), feed: BigInt(feed), sequence: BigInt(sequence), hash: start };
}
