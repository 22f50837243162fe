import { type RawBuilder, sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { textArray } from "../driver/columns.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { inTransaction } from "../driver/transaction.ts";
import { largeText, type Overview, sumsText } from "../reads/held.ts";

// Who scans. The row of `overview` says until when somebody does: a scanner claims two minutes, and
// claims them anew each half a minute. If it dies, the claim ends, and within three minutes another
// server begins. One that was only frozen finds its claim gone, and gives up: whoever has the claim
// is alone in writing, so that an older scan never takes a newer one's place.

/** A claim: the instant at which it ends, which no other one has. */
export type Claim = Micros;

const UNTIL = sql`statement_timestamp() + interval '2 minutes'`;

/**
 * Claims the scan, if the last one is older than an hour and nobody is at it. A ledger of which the
 * last scan found no account is looked at again and again: its first points are to be seen soon.
 */
export function claimScan(orm: Orm): Promise<Claim | undefined> {
  return claimed(
    orm,
    sql`update overview set claimed_until = ${UNTIL}
      where id = 1 and coalesce(claimed_until <= statement_timestamp(), true)
        and (coalesce(as_of <= statement_timestamp() - interval '1 hour', true)
          or sums ->> 'accounts' = '0')
      returning claimed_until`,
  );
}

/** Claims it for two minutes more; undefined: another has it. */
export function renewClaim(orm: Orm, claim: Claim): Promise<Claim | undefined> {
  return claimed(
    orm,
    sql`update overview set claimed_until = ${UNTIL}
      where id = 1 and claimed_until = ${toTimestamptz(claim)}::timestamptz
      returning claimed_until`,
  );
}

/** Leaves the scan to others. */
export async function releaseClaim(orm: Orm, claim: Claim): Promise<void> {
  await sql`update overview set claimed_until = null
    where id = 1 and claimed_until = ${toTimestamptz(claim)}::timestamptz`.execute(
    orm.em.fork().getKysely(),
  );
}

/**
 * Writes what a scan has found, and ends its claim. Accounts that are gone are not named: an erasure
 * takes their names from the row, too, and waits for its lock (`forgetInOverview`).
 *
 * @returns whether the claim still held; otherwise nothing is written
 */
export async function saveOverview(
  orm: Orm,
  claim: Claim,
  { asOf, endTime, sums, largest }: Overview,
): Promise<boolean> {
  return inTransaction(orm, async ({ run, commit }) => {
    const held = await run(sql`
      select from overview
      where id = 1 and claimed_until = ${toTimestamptz(claim)}::timestamptz for update`);
    if (held.rows.length === 0) return false;
    const there = await run(sql<{ user_id: string }>`
      select user_id from account
      where user_id = any(${textArray(largest.map(({ userId }) => userId))})`);
    const names = new Set(there.rows.map(({ user_id }) => user_id));
    const named = largest.filter(({ userId }) => names.has(userId)).map(largeText);
    await commit([
      sql`update overview set claimed_until = null, as_of = ${toTimestamptz(asOf)}::timestamptz,
          end_time = ${toTimestamptz(endTime)}::timestamptz,
          sums = ${JSON.stringify(sumsText(sums))}::jsonb,
          largest = ${JSON.stringify(named)}::jsonb
        where id = 1`,
    ]);
    return true;
  });
}

async function claimed(orm: Orm, update: RawBuilder<unknown>): Promise<Claim | undefined> {
  const { rows } = await update
    .$castTo<{ claimed_until: string }>()
    .execute(orm.em.fork().getKysely());
  return rows[0] && fromTimestamptz(rows[0].claimed_until);
}
