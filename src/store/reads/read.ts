import { sql } from "kysely";
import { type Account, timeOf } from "../../ledger/account.ts";
import { bookDue } from "../../ledger/due.ts";
import type { Entry, EntryKind } from "../../ledger/entry.ts";
import type { Hold } from "../../ledger/hold.ts";
import type { Lot } from "../../ledger/lot.ts";
import type { Micros } from "../../ledger/time.ts";
import { type AccountRow, toAccount } from "../batch/accounts.ts";
import { type EntryRow, toEntry } from "../batch/entries.ts";
import { type HoldRow, toHold } from "../batch/holds.ts";
import { loadStatesToRead } from "../batch/load.ts";
import { type LotRow, toLot } from "../batch/lots.ts";
import { databaseNow, NOW } from "../driver/clock.ts";
import { rowsOf, textArray, texts } from "../driver/columns.ts";
import { AccountEntity } from "../driver/entities.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { inSnapshot, type Run } from "../driver/transaction.ts";

// Reads that lock nothing and write nothing.

/** An account as it is at an instant, and when it changes by itself. */
export type Reading = {
  /** With the figures that it has then: what is due counts as booked, though nothing is. */
  readonly account: Account;
  /** The first instant after it at which something is due; null: none. */
  readonly nextDue: Micros | null;
};

/** An account as it is now; undefined if there is none. */
export async function readAccount(orm: Orm, userId: string): Promise<Account | undefined> {
  const [account] = await inSnapshot(orm, (run) => accountsNow(run, [userId]));
  return account;
}

/** These users' accounts as they are now, those that there are. */
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

/** By user id; a user of whom nothing will be due is missing. */
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

/** The numbers of these users' last entries, by user id, and the database's time. */
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

/** One entry; undefined if there is none. */
export async function readEntry(
  orm: Orm,
  userId: string,
  sequence: bigint,
): Promise<Entry | undefined> {
  const { rows } = await sql<EntryRow>`
    select * from points.entry where user_id = ${userId} and sequence = ${sequence}`.execute(
    orm.em.fork().getKysely(),
  );
  return rows[0] === undefined ? undefined : toEntry(rows[0]);
}

/** Which entries a page is to have. */
export type EntryFilter = {
  readonly kinds: readonly EntryKind[];
  readonly startTime: Micros | undefined;
  readonly endTime: Micros | undefined;
};

// A page looks at so many entries at the most, however few of them it was asked for.
const SCAN_MAX_ENTRIES = 5_000;

// A page ends after so many allocations: an entry or a hold may be of thousands of lots, and the
// server reads all of a page before it knows its size.
const PAGE_MAX_LOTS = 16_384;

/** How many allocations those of a page have that come before a row. */
function lotsBefore(number: "number" | "sequence", counts = sql`true`) {
  return sql`coalesce(sum(cardinality(lots)) filter (where ${counts}) over (
    order by ${sql.raw(number)} desc rows between unbounded preceding and 1 preceding), 0)`;
}

function countLots(page: readonly { readonly allocations: readonly unknown[] }[]): number {
  return page.reduce((sum, { allocations }) => sum + allocations.length, 0);
}

/**
 * A page of a journal, newest entry first.
 *
 * @param before only entries of a smaller sequence; undefined: from the newest
 * @returns the entries, and where the next page goes on; undefined at the end
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

/** Where a page of lots goes on after: a lot's place in burn order. */
export type LotPlace = Pick<Lot, "priority" | "expireTime" | "number">;

/**
 * A page of the lots that hold points, in burn order; of lots past their time, those that holds
 * still have points of.
 */
export async function readLots(
  orm: Orm,
  userId: string,
  after: LotPlace | undefined,
  limit: number,
): Promise<readonly Lot[]> {
  const place = after ?? { priority: -1, expireTime: null, number: 0n };
  const expireTime = place.expireTime === null ? "infinity" : toTimestamptz(place.expireTime);
  const { rows } = await sql<LotRow & { due: boolean }>`
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
 * A page of holds, newest first; `openOnly` leaves out those closed or past their time.
 *
 * @returns the holds, and whether there may be more
 */
export async function readHolds(
  orm: Orm,
  userId: string,
  openOnly: boolean,
  before: bigint | undefined,
  limit: number,
): Promise<{ holds: readonly Hold[]; isFull: boolean }> {
  // Of those that are open there are a bounded number, which an index has for itself: without the
  // offset, the planner would look through the closed ones for them.
  const ofUser = openOnly
    ? sql`(select * from points.hold where user_id = ${userId} and status = 'open'
        and expire_time > statement_timestamp() offset 0)`
    : sql`(select * from points.hold where user_id = ${userId})`;
  const { rows } = await sql<HoldRow & { due: boolean }>`
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
