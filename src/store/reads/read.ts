import { sql } from "kysely";
import { type Account, timeOf } from "../../ledger/account.ts";
import { bookDue } from "../../ledger/due.ts";
import type { Entry, EntryKind } from "../../ledger/entry.ts";
import type { Hold } from "../../ledger/hold.ts";
import type { Lot } from "../../ledger/lot.ts";
import type { Micros } from "../../ledger/time.ts";
import { toAccount } from "../batch/accounts.ts";
import { toEntry } from "../batch/entries.ts";
import { toHold } from "../batch/holds.ts";
import { loadStatesToRead } from "../batch/load.ts";
import { toLot } from "../batch/lots.ts";
import { databaseNow, NOW } from "../driver/clock.ts";
import { rowsOf, textArray, texts } from "../driver/columns.ts";
import {
  AccountEntity,
  EntryEntity,
  type HoldEntity,
  type LotEntity,
  type RowOf,
} from "../driver/entities.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { inSnapshot, type Run } from "../driver/transaction.ts";

// Reads that lock nothing and write nothing. They go through the ORM's entities where it can say
// them. SQL by hand are the snapshot's, which shares the batch's loaders, and the pages: they need
// row comparisons, window functions and the expressions of indexes.

type AccountRow = RowOf<typeof AccountEntity>;
type EntryRow = RowOf<typeof EntryEntity>;

/** An account at an instant, and when it changes by itself. */
export type Reading = {
  /** Its figures count everything due at that instant as booked; nothing is written. */
  readonly account: Account;
  /** The next instant at which something falls due; null: never. */
  readonly nextDue: Micros | null;
};

/** A user's account now; undefined if there is none. */
export async function readAccount(orm: Orm, userId: string): Promise<Account | undefined> {
  const [account] = await inSnapshot(orm, (run) => accountsNow(run, [userId]));
  return account;
}

/** These users' accounts now; users without an account are missing. */
export async function readAccounts(
  orm: Orm,
  userIds: readonly string[],
): Promise<readonly Reading[]> {
  return inSnapshot(orm, async (run) => {
    const accounts = await accountsNow(run, userIds);
    const next = await nextDueOf(
      run,
      accounts.map(({ userId }) => userId),
    );
    return accounts.map((account) => ({ account, nextDue: next.get(account.userId) ?? null }));
  });
}

async function accountsNow(run: Run, userIds: readonly string[]): Promise<readonly Account[]> {
  const { rows } = await run(
    sql<AccountRow>`select * from points.account where user_id = any(${textArray(userIds)})`,
  );
  const accounts = new Map(rows.map((row) => [row.user_id, toAccount(row)]));
  const now = await databaseNow(run);
  const states = await loadStatesToRead(run, accounts);
  return states.map((state) => {
    const { account } = state;
    const booked = bookDue(state, timeOf(account, now)).state.account;
    const { balance, frozen, totalExpired } = booked;
    return { ...account, balance, frozen, totalExpired };
  });
}

/** The next instant at which something falls due, by user id; missing: never. */
async function nextDueOf(run: Run, userIds: readonly string[]): Promise<Map<string, Micros>> {
  const { rows } = await run(sql<{ user_id: string; next_due: string | null }>`
    select user_id, least(
      (select min(expire_time) from points.lot
        where lot.user_id = asked.user_id and open and expire_time > ${NOW}),
      (select min(expire_time) from points.hold
        where hold.user_id = asked.user_id and status = 'open' and expire_time > ${NOW})
    ) as next_due
    from ${rowsOf({ user_id: texts(userIds, (userId) => userId) })} as asked`);
  return new Map(
    rows.flatMap(({ user_id, next_due }) =>
      next_due === null ? [] : [[user_id, fromTimestamptz(next_due)]],
    ),
  );
}

/**
 * The sequences of these users' last entries, by user id, and the database's time, in one statement.
 * Users without an account are missing.
 */
export async function readSequences(
  orm: Orm,
  userIds: readonly string[],
): Promise<{ now: Micros; sequences: ReadonlyMap<string, bigint> }> {
  const { rows } = await sql<{ now: string; user_id: string | null; sequence: string }>`
    select statement_timestamp() as now, user_id, sequence
    from (select) as one left join points.account on user_id = any(${[...userIds]}::text[])`.execute(
    orm.em.fork().getKysely(),
  );
  const found = rows.flatMap(({ user_id, sequence }) =>
    user_id === null ? [] : [[user_id, BigInt(sequence)] as const],
  );
  return { now: fromTimestamptz(rows[0]!.now), sequences: new Map(found) };
}

/** Whether a user has an account. */
export async function hasAccount(orm: Orm, userId: string): Promise<boolean> {
  return (await orm.em.fork().count(AccountEntity, { userId })) > 0;
}

/** An entry by its sequence; undefined if there is none. */
export async function readEntry(
  orm: Orm,
  userId: string,
  sequence: bigint,
): Promise<Entry | undefined> {
  const [row] = await orm.em
    .fork()
    .createQueryBuilder(EntryEntity)
    .where({ userId, sequence })
    .execute<EntryRow[]>("all", false);
  return row === undefined ? undefined : toEntry(row);
}

/** The entries that a page shows: of these kinds, none meaning all, with startTime <= time < endTime. */
export type EntryFilter = {
  readonly kinds: readonly EntryKind[];
  readonly startTime: Micros | undefined;
  readonly endTime: Micros | undefined;
};

// A page scans at most 5,000 entries, however few of them match: a rare kind then costs no more than
// any page.
const SCAN_MAX_ENTRIES = 5_000;

// A page ends after 16,384 allocations. An entry or a hold may have thousands of lots, and the server
// reads a whole page before it knows its size.
const PAGE_MAX_LOTS = 16_384;

/** SQL for the number of allocations in the rows of a page before the current one. */
function lotsBefore(number: "number" | "sequence", counts = sql`true`) {
  return sql`coalesce(sum(cardinality(lots)) filter (where ${counts}) over (
    order by ${sql.raw(number)} desc rows between unbounded preceding and 1 preceding), 0)`;
}

function countLots(page: readonly { readonly allocations: readonly unknown[] }[]): number {
  return page.reduce((sum, { allocations }) => sum + allocations.length, 0);
}

/**
 * A page of a journal, newest entry first. The keyset cursor is a sequence.
 *
 * @param before the cursor: entries below this sequence; undefined: from the newest
 * @param limit the most entries of the page
 * @returns the entries and the next page's cursor, undefined at the end. Before the end a page may
 * have fewer than `limit` entries, or none: see SCAN_MAX_ENTRIES and PAGE_MAX_LOTS
 */
export async function readEntries(
  orm: Orm,
  userId: string,
  { kinds, startTime, endTime }: EntryFilter,
  before: bigint | undefined,
  limit: number,
): Promise<{ entries: readonly Entry[]; next: bigint | undefined }> {
  const from = startTime === undefined ? "-infinity" : toTimestamptz(startTime);
  const to = endTime === undefined ? "infinity" : toTimestamptz(endTime);
  const { rows } = await sql<EntryRow & { matches: boolean }>`
    with looked_at as (
      select *, (
        (cardinality(${kinds}::text[]) = 0 or kind = any(${kinds}::text[]))
        and create_time >= ${from}::timestamptz and create_time < ${to}::timestamptz
      ) as matches
      from points.entry
      where user_id = ${userId} and sequence < ${before ?? 2n ** 63n - 1n}
      order by sequence desc limit ${SCAN_MAX_ENTRIES}
    ), scanned as (
      select *, ${lotsBefore("sequence", sql`matches`)} as lots_before from looked_at
    ), last as (
      select * from scanned order by sequence limit 1
    )
    (select * from scanned
      where matches and lots_before < ${PAGE_MAX_LOTS} order by sequence desc limit ${limit})
    union all
    (select * from last where not matches)`.execute(orm.em.fork().getKysely());

  const entries = rows.filter(({ matches }) => matches).map(toEntry);
  const lowest = rows.at(-1) === undefined ? 1n : BigInt(rows.at(-1)!.sequence);
  const isFull = entries.length === limit || countLots(entries) >= PAGE_MAX_LOTS;
  const next = isFull ? entries.at(-1)!.sequence : lowest;
  return { entries, next: next === 1n ? undefined : next };
}

/** The keyset cursor of lots: a lot's place in burn order. */
export type LotPlace = Pick<Lot, "priority" | "expireTime" | "number">;

/**
 * A page of the lots with points, in burn order. Expired lots are shown, with nothing remaining, only
 * while holds have points of them.
 *
 * @param after the cursor: lots behind this one; undefined: from the first
 */
export async function readLots(
  orm: Orm,
  userId: string,
  after: LotPlace | undefined,
  limit: number,
): Promise<readonly Lot[]> {
  const place = after ?? { priority: -1, expireTime: null, number: 0n };
  const expireTime = place.expireTime === null ? "infinity" : toTimestamptz(place.expireTime);
  const { rows } = await sql<RowOf<typeof LotEntity> & { due: boolean }>`
    select *, expire_time is not null and expire_time <= statement_timestamp() as due
    from points.lot
    where user_id = ${userId} and open
      and (priority, coalesce(expire_time, 'infinity'), number)
        > (${place.priority}::smallint, ${expireTime}::timestamptz, ${place.number}::bigint)
      and (frozen > 0 or expire_time is null or expire_time > statement_timestamp())
    order by priority, coalesce(expire_time, 'infinity'), number
    limit ${limit}`.execute(orm.em.fork().getKysely());
  return rows.map((row) => (row.due ? { ...toLot(row), remaining: 0n } : toLot(row)));
}

/**
 * A page of holds, newest first. The keyset cursor is a hold's number. An open hold past its time is
 * shown as expired.
 *
 * @param openOnly leaves out holds that are closed or past their time
 * @param before the cursor: holds below this number; undefined: from the newest
 * @returns the holds, and whether there may be more
 */
export async function readHolds(
  orm: Orm,
  userId: string,
  openOnly: boolean,
  before: bigint | undefined,
  limit: number,
): Promise<{ holds: readonly Hold[]; isFull: boolean }> {
  // Open holds are bounded in number and have an index of their own. Without `offset 0`, the planner
  // would search the closed holds for them.
  const ofUser = openOnly
    ? sql`(select * from points.hold where user_id = ${userId} and status = 'open'
        and expire_time > statement_timestamp() offset 0)`
    : sql`(select * from points.hold where user_id = ${userId})`;
  const { rows } = await sql<RowOf<typeof HoldEntity> & { due: boolean }>`
    select *, status = 'open' and expire_time <= statement_timestamp() as due
    from (
      select *, ${lotsBefore("number")} as lots_before
      from (
        select * from ${ofUser} as hold where number < ${before ?? 2n ** 63n - 1n}
        order by number desc limit ${limit}
      ) as hold
    ) as hold
    where lots_before < ${PAGE_MAX_LOTS}
    order by number desc`.execute(orm.em.fork().getKysely());
  const holds = rows.map((row) => {
    const hold = toHold(row);
    return row.due ? ({ ...hold, status: "expired" } as const) : hold;
  });
  return { holds, isFull: holds.length === limit || countLots(holds) >= PAGE_MAX_LOTS };
}
