import { sql } from "kysely";
import { type Account, emptyAccount, timeOf } from "../../ledger/account.ts";
import { accountAfter, type Entry } from "../../ledger/entry.ts";
import { type NextExpiration, nextExpirationOf } from "../../ledger/next-expiration.ts";
import { type Lot, sumLots } from "../../ledger/lot.ts";
import type { AccountState } from "../../ledger/state.ts";
import type { Micros } from "../../ledger/time.ts";
import { toEntry } from "../batch/entries.ts";
import { databaseNow } from "../driver/clock.ts";
import { bigintArray } from "../driver/columns.ts";
import { columnsOf, EntryEntity, type EntryRow } from "../driver/entities.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { inSnapshot, type Run } from "../driver/transaction.ts";
import { loadUntracedLots } from "./past-allowances.ts";
import { bookedAt, findAccounts } from "./read.ts";

/** An account as it was at an instant, everything booked that was due by then. */
export type AccountAt = {
  readonly account: Account;
  /** The lots that it had and of which no entry tells. */
  readonly untraced: readonly Lot[];
  /** Undefined: only the account's entries up to its sequence can tell. */
  readonly lots: { readonly next: NextExpiration | undefined } | undefined;
};

/**
 * A user's account at an instant, exactly; undefined if there was none. What falls due is booked
 * before any later command, with the instant of its own. So if there are later entries, the last one
 * up to then has all figures; otherwise the account is as it is now, but for what was due by then. In
 * both cases points of allowances are added that expired before somebody came: who came may have left
 * no entry at all, or only such as are before the instant.
 *
 * It costs as much as reading the account now: the entry is found among n in log2(n) steps. A batch
 * under way, whose time was before, may still add an entry: an instant is past when the commands
 * that were sent by then are answered.
 *
 * @param asOf undefined: now
 * @returns the account, and the database's time
 */
export async function readAccountAt(
  orm: Orm,
  userId: string,
  asOf: Micros | undefined,
): Promise<{ readonly now: Micros; readonly found: AccountAt | undefined }> {
  return inSnapshot(orm, async (run) => {
    const rows = await findAccounts(run, [userId]);
    const now = await databaseNow(run);
    const account = rows.accounts.get(userId);
    const time = asOf ?? timeOf(account, now);
    if (account === undefined || time < account.createTime) return { now, found: undefined };
    const firstAfter = async (start: Micros) =>
      ((await lastEntry(run, account, start - 1n))?.sequence ?? 0n) + 1n;
    const at = { instant: time, policies: [], firstAfter };
    if (time < account.updateTime) {
      const entry = await lastEntry(run, account, time);
      const left =
        entry === undefined ? emptyAccount(userId, account) : accountAfter(entry, account);
      const untraced = await loadUntracedLots(run, left, at);
      return { now, found: { account: withLots(left, untraced), untraced, lots: undefined } };
    }
    const [read] = await bookedAt(run, rows, { now: time });
    const { account: shown, booked, policies } = read!;
    // Now nothing is alive that somebody who came has left out.
    const untraced =
      asOf === undefined ? [] : await loadUntracedLots(run, account, { ...at, policies });
    const isBeyond = rows.rows.get(userId)!.beyond.count > 0;
    const others = isBeyond ? await loadNextExpiration(run, booked, time) : [];
    const next = nextExpirationOf([...booked.lots, ...others, ...untraced]);
    return { now, found: { account: withLots(shown, untraced), untraced, lots: { next } } };
  });
}

function withLots(account: Account, lots: readonly Lot[]): Account {
  const { remaining } = sumLots(lots);
  const { balance, totalRecharged } = account;
  return {
    ...account,
    balance: balance + remaining,
    totalRecharged: totalRecharged + remaining,
  };
}

/** An account's last entry up to an instant; undefined if there was none. */
async function lastEntry(
  run: Run,
  { userId, sequence }: Account,
  time: Micros,
): Promise<Entry | undefined> {
  // A binary search, since times never go back and no sequence is missing.
  const { rows } = await run(sql<EntryRow & { low: string }>`
    with recursive search (low, high) as (
      select 0::bigint, ${sequence}::bigint
      union all
      select
        case when is_by_then then middle else low end,
        case when is_by_then then high else middle - 1 end
      from search cross join lateral (select (low + high + 1) / 2 as middle) as half
      cross join lateral (
        select create_time <= ${toTimestamptz(time)}::timestamptz as is_by_then from entry
        where user_id = ${userId} and entry.sequence = middle
      ) as probe
      where low < high
    )
    select search.low, ${columnsOf(EntryEntity, "entry")}
    from search left join entry on entry.user_id = ${userId} and entry.sequence = low
    where low = high`);
  const [row] = rows;
  if (row === undefined) throw new Error("an entry of the account is missing");
  return row.low === "0" ? undefined : toEntry(row);
}

/** The next expiry of the lots of the table that are not loaded, as one lot. */
async function loadNextExpiration(run: Run, { account, lots }: AccountState, time: Micros) {
  const loaded = lots.map(({ number }) => number);
  const { rows } = await run(sql<{ expire_time: string; remaining: string }>`
    select expire_time, sum(remaining)::bigint as remaining from lot
    where user_id = ${account.userId} and remaining > 0
      and expire_time > ${toTimestamptz(time)}::timestamptz and number <> all(${bigintArray(loaded)})
    group by expire_time order by expire_time limit 1`);
  return rows.map((row) => ({
    remaining: BigInt(row.remaining),
    expireTime: fromTimestamptz(row.expire_time),
  }));
}
