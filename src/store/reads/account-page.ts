import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import type { Lot } from "../../ledger/lot.ts";
import type { Micros } from "../../ledger/time.ts";
import { type LockedAccounts, toAccounts } from "../batch/accounts.ts";
import { bigintLists, rowsOf, texts } from "../driver/columns.ts";
import { AccountEntity, type AccountRow, columnsOf } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { bookedAt } from "./read.ts";
import type { Reading } from "./reading.ts";

/** Points that expire together; null: never. */
export type Expiring = { readonly expireTime: Micros | null; readonly points: bigint };

/** The next accounts of a scan. */
export type AccountPage = {
  /** In the order of their ids' bytes, each as GetAccount shows it; none: the scan is over. */
  readonly accounts: readonly Account[];
  /** When what of their balances expires, in no order. */
  readonly expiring: readonly Expiring[];
};

export type PageOptions = {
  /** By default 100. */
  readonly maxAccounts?: number;
  /** A page ends behind the account with which its lots and holds are so many: by default 5,000. */
  readonly maxRows?: number;
};

// They take 2 ms of the server's thread, and 7 if of each an allowance is due.
const MAX_ACCOUNTS = 100;
const MAX_ROWS = 5_000;

/**
 * Runs a read in a snapshot of its own. One that lags may be older than the one before; what a read
 * throws there does not come out of it: it then runs again on the primary.
 */
export type ReadSnapshot = <T>(
  work: (snapshot: Pick<Reading, "run" | "asOf" | "lags">) => Promise<T>,
) => Promise<T>;

/**
 * Reads the accounts whose ids come after one, and when their points expire.
 *
 * @param asOf when
 * @param after the last user id of the page before; empty: none
 */
export async function readAccountPage(
  run: Run,
  { asOf: now, after }: { readonly asOf: Micros; readonly after: string },
  { maxAccounts = MAX_ACCOUNTS, maxRows = MAX_ROWS }: PageOptions = {},
): Promise<AccountPage> {
  const found = await findPage(run, after, { maxAccounts, maxRows });
  const read = await bookedAt(run, found, { now });
  const table = await sumTable(run, found, read);
  const loaded = read.flatMap(({ booked }) => booked.lots.map(toExpiring));
  return { accounts: read.map(({ account }) => account), expiring: [...loaded, ...table] };
}

async function findPage(
  run: Run,
  after: string,
  { maxAccounts, maxRows }: { readonly maxAccounts: number; readonly maxRows: number },
): Promise<LockedAccounts> {
  const { rows } = await run(sql<AccountRow & { ctid: string }>`
    select ${columnsOf(AccountEntity, "page")}, page.ctid
    from (
      select *, sum(lots_beyond + open_holds) over (order by user_id) - lots_beyond - open_holds
        as rows_before
      from (
        select ctid, * from account where user_id > ${after}::text
        order by user_id limit ${sql.lit(maxAccounts)}
      ) as next
    ) as page
    where rows_before < ${sql.lit(maxRows)}`);
  return toAccounts(rows);
}

/** What the lots of the table have that are not among those that were loaded because of what is due. */
async function sumTable(
  run: Run,
  { rows: places }: LockedAccounts,
  read: Awaited<ReturnType<typeof bookedAt>>,
): Promise<readonly Expiring[]> {
  const beyond = read.filter(({ account }) => places.get(account.userId)!.beyond.count > 0);
  if (beyond.length === 0) return [];
  const asked = rowsOf({
    user_id: texts(beyond, ({ account }) => account.userId),
    loaded: bigintLists(beyond, ({ loaded }) => loaded.map(({ number }) => number)),
  });
  const { rows } = await run(sql<{ expire_time: string | null; points: string }>`
    select expire_time, sum(remaining) as points
    from ${asked} as asked join lot using (user_id)
    where remaining > 0 and not coalesce(number = any(loaded), false)
    group by expire_time`);
  return rows.map(({ expire_time, points }) => ({
    expireTime: expire_time === null ? null : fromTimestamptz(expire_time),
    points: BigInt(points),
  }));
}

function toExpiring({ expireTime, remaining }: Lot): Expiring {
  return { expireTime, points: remaining };
}
