import { sql } from "kysely";
import { type NextExpiration, nextExpirationOf } from "../../ledger/next-expiration.ts";
import type { Micros } from "../../ledger/time.ts";
import { toTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { goByIndex } from "./go-by-index.ts";
import { beginsWith } from "./id-range.ts";
import { bookedAt, findAccounts, loadOtherLots } from "./read.ts";
import { affordable, PAGE_MAX_ROWS, type UserPage } from "./user-page.ts";

/** What of a user's balance expires in a time. */
export type ExpiringSoon = {
  readonly userId: string;
  readonly points: bigint;
  /** The first instant at which points do, and how many. */
  readonly first: NextExpiration;
};

// A page looks at so many accounts, which takes 25 ms, and works out what is due of so many of those of
// which points may expire, which takes 0.1 ms each.
const LOOK_MAX_ACCOUNTS = 10_000;
const BOOK_MAX_ACCOUNTS = 2_000;
const BOOKED_AT_ONCE = 100;

/** Bounds of a page, which tests make small. */
export type ExpiringOptions = {
  /** The most accounts that it looks at: by default 10,000. */
  readonly maxLooked?: number;
  /** The most of which it works out what is due: by default 2,000. */
  readonly maxBooked?: number;
};

/**
 * A page of the users of whose balances points expire in a time from an instant on. It counts everything
 * due by that instant as booked, as GetAccount does.
 *
 * @param run of a snapshot
 * @param now when the snapshot is of
 * @returns the users, and the next page's cursor, undefined at the end. Before the end a page may be
 * shorter than `limit`, or empty
 */
export async function listExpiring(
  run: Run,
  { within, limit, ...page }: UserPage & { readonly within: Micros },
  now: Micros,
  { maxLooked = LOOK_MAX_ACCOUNTS, maxBooked = BOOK_MAX_ACCOUNTS }: ExpiringOptions = {},
): Promise<{ expiring: readonly ExpiringSoon[]; next: string | undefined }> {
  const until = now + within;
  await goByIndex(run);
  const { candidates, lookedUpTo } = await lookFor(run, { ...page, limit: maxLooked }, until);
  const expiring: ExpiringSoon[] = [];
  let at = 0;
  while (at < candidates.length && at < maxBooked && expiring.length < limit) {
    const next = candidates.slice(at, Math.min(at + BOOKED_AT_ONCE, maxBooked));
    const some = affordable(next, ({ rows }) => rows, PAGE_MAX_ROWS);
    expiring.push(...(await expiringOf(run, some, { now, until })));
    at += some.length;
  }
  if (expiring.length > limit) {
    return { expiring: expiring.slice(0, limit), next: expiring[limit - 1]!.userId };
  }
  return { expiring, next: at < candidates.length ? candidates[at - 1]!.userId : lookedUpTo };
}

/** An account of which points may expire, and how many rows of lots and holds it may have. */
type Candidate = { readonly userId: string; readonly rows: number };

/**
 * Finds the accounts of which something falls due by an instant. What policies give wakes nobody as it
 * expires, so that an account's clock says nothing of it.
 *
 * @returns the last account that it has looked at, too; undefined: there are no more
 */
async function lookFor(
  run: Run,
  { userIdPrefix, after = "", limit }: UserPage,
  until: Micros,
): Promise<{ candidates: readonly Candidate[]; lookedUpTo: string | undefined }> {
  const { rows } = await run(sql<{
    user_id: string;
    rows: number;
    may_expire: boolean;
    looked_at: string;
  }>`
    with looked_at as materialized (
      select user_id, lots_beyond + open_holds as rows,
        coalesce(due_time <= ${toTimestamptz(until)}::timestamptz, false) or policies > 0
          as may_expire
      from account
      where ${beginsWith("user_id", userIdPrefix)} and user_id > ${after}::text
      order by user_id limit ${limit}
    )
    select *, (select count(*) from looked_at) as looked_at from looked_at
    where may_expire or user_id = (select max(user_id) from looked_at)
    order by user_id`);
  const isFull = Number(rows[0]?.looked_at ?? 0) === limit;
  return {
    candidates: rows
      .filter((row) => row.may_expire)
      .map((row) => ({ userId: row.user_id, rows: row.rows })),
    lookedUpTo: isFull ? rows.at(-1)!.user_id : undefined,
  };
}

async function expiringOf(
  run: Run,
  candidates: readonly Candidate[],
  { now, until }: { readonly now: Micros; readonly until: Micros },
): Promise<readonly ExpiringSoon[]> {
  const ids = candidates.map(({ userId }) => userId);
  const found = await findAccounts(run, ids);
  const read = await bookedAt(run, found, { now });
  const others = await loadOtherLots(run, found, read, until);
  const byUser = new Map(read.map((one) => [one.account.userId, one]));
  return ids.flatMap((userId) => {
    const { booked } = byUser.get(userId)!;
    const lots = [...booked.lots, ...(others.get(userId) ?? [])].filter(
      ({ remaining, expireTime }) => remaining > 0n && expireTime !== null && expireTime <= until,
    );
    const first = nextExpirationOf(lots);
    const points = lots.reduce((sum, { remaining }) => sum + remaining, 0n);
    return first === undefined ? [] : [{ userId, points, first }];
  });
}
