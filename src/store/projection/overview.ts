import { type RawBuilder, sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { textArray } from "../driver/columns.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { inTransaction } from "../driver/transaction.ts";
import { largeText, type Overview, sumsText } from "../reads/overview-text.ts";

// Who scans. The row of `overview` says until when somebody does: a scanner has a lease of two minutes,
// and renews it each half a minute. If it dies, the lease ends, and within three minutes another
// server begins. One that was only frozen finds its lease gone, and gives up: whoever has the lease
// is alone in writing, so that an older scan never takes a newer one's place.

/** A lease: the instant at which it ends, which no other one has. */
export type ScanLease = Micros;

const UNTIL = sql`statement_timestamp() + interval '2 minutes'`;
// A clock that was set back may say that a lease ends in an hour, or that a scan is to come.
const IS_LEASED = sql`coalesce(leased_until > statement_timestamp()
  and leased_until <= ${UNTIL}, false)`;
const IS_RECENT = sql`coalesce(as_of > statement_timestamp() - interval '1 hour'
  and as_of <= ${UNTIL}, false)`;

/**
 * Takes the lease, if the last one is older than an hour and nobody is at it. A ledger of which the
 * last scan found no account is looked at again and again: its first points are to be seen soon.
 */
export function leaseScan(orm: Orm): Promise<ScanLease | undefined> {
  return leased(
    orm,
    sql`update overview set leased_until = ${UNTIL}
      where id = 1 and not ${IS_LEASED} and (not ${IS_RECENT} or sums ->> 'accounts' = '0')
      returning leased_until`,
  );
}

/** Has it for two minutes more; undefined: another has it. */
export function renewLease(orm: Orm, lease: ScanLease): Promise<ScanLease | undefined> {
  return leased(
    orm,
    sql`update overview set leased_until = ${UNTIL}
      where id = 1 and leased_until = ${toTimestamptz(lease)}::timestamptz
      returning leased_until`,
  );
}

/** Leaves the scan to others. */
export async function endLease(orm: Orm, lease: ScanLease): Promise<void> {
  await sql`update overview set leased_until = null
    where id = 1 and leased_until = ${toTimestamptz(lease)}::timestamptz`.execute(
    orm.em.fork().getKysely(),
  );
}

/**
 * Writes what a scan has found, and ends its lease. Accounts that are gone are not named: an erasure
 * takes their names from the row, too, and waits for its lock (`forgetInOverview`).
 *
 * @returns whether the lease still held; otherwise nothing is written
 */
export async function saveOverview(
  orm: Orm,
  lease: ScanLease,
  { asOf, endTime, sums, largest }: Overview,
): Promise<boolean> {
  return inTransaction(orm, async ({ run, commit }) => {
    const held = await run(sql`
      select from overview
      where id = 1 and leased_until = ${toTimestamptz(lease)}::timestamptz for update`);
    if (held.rows.length === 0) return false;
    const there = await run(sql<{ user_id: string }>`
      select user_id from account
      where user_id = any(${textArray(largest.map(({ userId }) => userId))})`);
    const names = new Set(there.rows.map(({ user_id }) => user_id));
    const named = largest.filter(({ userId }) => names.has(userId)).map(largeText);
    await commit([
      sql`update overview set leased_until = null, as_of = ${toTimestamptz(asOf)}::timestamptz,
          end_time = ${toTimestamptz(endTime)}::timestamptz,
          sums = ${JSON.stringify(sumsText(sums))}::jsonb,
          largest = ${JSON.stringify(named)}::jsonb
        where id = 1`,
    ]);
    return true;
  });
}

async function leased(orm: Orm, update: RawBuilder<unknown>): Promise<ScanLease | undefined> {
  const { rows } = await update
    .$castTo<{ leased_until: string }>()
    .execute(orm.em.fork().getKysely());
  return rows[0] && fromTimestamptz(rows[0].leased_until);
}
