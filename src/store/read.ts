import { sql } from "kysely";
import type { Account } from "../ledger/account.ts";
import { bookDue } from "../ledger/due.ts";
import type { Entry, EntryKind } from "../ledger/entry.ts";
import type { Hold } from "../ledger/hold.ts";
import type { Lot } from "../ledger/lot.ts";
import type { Micros } from "../ledger/time.ts";
import { type AccountRow, toAccount } from "./accounts.ts";
import { databaseNow } from "./clock.ts";
import { AccountEntity } from "./entities.ts";
import { type EntryRow, toEntry } from "./entries.ts";
import { type HoldRow, toHold } from "./holds.ts";
import { toTimestamptz } from "./instant.ts";
import { loadStates } from "./load.ts";
import { type LotRow, toLot } from "./lots.ts";
import type { Orm } from "./orm.ts";
import { inSnapshot } from "./transaction.ts";

// Reads that lock nothing and write nothing.

/**
 * An account with the figures that it has at this instant: what is due counts as booked, though
 * nothing is. Undefined if there is none.
 */
export async function readAccount(orm: Orm, userId: string): Promise<Account | undefined> {
  return inSnapshot(orm, async (run) => {
    const { rows } = await run(
      sql<AccountRow>`select * from points.account where user_id = ${userId}`,
    );
    if (rows[0] === undefined) return undefined;
    const account = toAccount(rows[0]);
    const now = await databaseNow(run);
    const accounts = Promise.resolve(new Map([[userId, account]]));
    const [state] = await loadStates(run, [userId], [], accounts);
    const { balance, frozen, totalExpired } = bookDue(state!, { kind: "open", userId }, now).state
      .account;
    return { ...account, balance, frozen, totalExpired };
  });
}

/** The rows of these users' accounts, as the last entry left them. */
export async function readAccounts(
  orm: Orm,
  userIds: readonly string[],
): Promise<readonly Account[]> {
  const rows = await orm.em.fork().find(AccountEntity, { userId: { $in: [...userIds] } });
  return rows.map(plain);
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
    with scanned as (
      select *, (
        (cardinality(${kinds}::text[]) = 0 or kind = any(${kinds}::text[]))
        and create_time >= ${from}::timestamptz and create_time < ${to}::timestamptz
      ) as matches
      from points.entry
      where user_id = ${userId} and sequence < ${before ?? 2n ** 63n - 1n}
      order by sequence desc limit ${SCAN_MAX_ENTRIES}
    ), last as (
      select * from scanned order by sequence limit 1
    )
    (select * from scanned where matches order by sequence desc limit ${limit})
    union all
    (select * from last where not matches)`.execute(orm.em.fork().getKysely());

  const entries = rows.filter(({ matches }) => matches).map(toEntry);
  const lowest = rows.at(-1) === undefined ? 1n : BigInt(rows.at(-1)!.sequence);
  const next = entries.length === limit ? entries.at(-1)!.sequence : lowest;
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

/** A page of holds, newest first; `openOnly` leaves out those closed or past their time. */
export async function readHolds(
  orm: Orm,
  userId: string,
  openOnly: boolean,
  before: bigint | undefined,
  limit: number,
): Promise<readonly Hold[]> {
  const { rows } = await sql<HoldRow & { due: boolean }>`
    select *, status = 'open' and expire_time <= statement_timestamp() as due
    from points.hold
    where user_id = ${userId} and number < ${before ?? 2n ** 63n - 1n}
      and (not ${openOnly}::boolean or (status = 'open' and expire_time > statement_timestamp()))
    order by number desc
    limit ${limit}`.execute(orm.em.fork().getKysely());
  return rows.map((row) => {
    const hold = toHold(row);
    return row.due ? { ...hold, status: "expired" } : hold;
  });
}

/** Without what the ORM adds to a row. */
function plain(account: Account): Account {
  return {
    userId: account.userId,
    sequence: account.sequence,
    balance: account.balance,
    frozen: account.frozen,
    totalRecharged: account.totalRecharged,
    totalConsumed: account.totalConsumed,
    totalExpired: account.totalExpired,
    totalRefunded: account.totalRefunded,
    hash: account.hash,
    createTime: account.createTime,
    updateTime: account.updateTime,
  };
}
