import type { Database } from "./cluster.ts";

/** Where a ledger stands before a row. */
export type Mark = { readonly time: string; readonly entries: bigint };

/** Looks where it stands now. */
export async function mark({ query }: Pick<Database, "query">): Promise<Mark> {
  const [row] = await query<{ time: string; entries: string }>(
    "select clock_timestamp()::text as time, sum(sequence) as entries from points.account",
  );
  return { time: row!.time, entries: BigInt(row!.entries) };
}

/**
 * Checks what a row has done: every account that it touched obeys the equations of the ledger, and
 * there are as many new entries as answers say.
 *
 * @param answered answers that made an entry
 * @returns what is wrong; nothing if all is well
 */
export async function check(
  database: Pick<Database, "query">,
  before: Mark,
  answered: number,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  await database.query("drop table if exists touched");
  await database.query(`create temporary table touched as
    select * from points.account where update_time >= '${before.time}'`);
  // The planner must know how many they are, one or all.
  await database.query("analyze touched");
  for (const [what, sql] of Object.entries(brokenSince(before))) {
    const rows = await database.query<{ user_id: string }>(`${sql} limit 3`);
    if (rows.length > 0) {
      wrong.push(`${what} is broken for ${rows.map(({ user_id }) => user_id).join(", ")}`);
    }
  }
  const { entries } = await mark(database);
  const made = entries - before.entries;
  if (made !== BigInt(answered)) wrong.push(`${answered} answers, but ${made} entries`);
  return wrong;
}

/**
 * Queries for the accounts that break an equation. Each looks up what is an account's own for one
 * after the other: joined with all sums at once, they may be compared each with each.
 */
const brokenSince = ({ time }: Mark): Readonly<Record<string, string>> => ({
  "balance + frozen + consumed + expired = recharged + refunded": `
    select user_id from touched
    where balance + frozen + total_consumed + total_expired <> total_recharged + total_refunded`,
  "balance = sum of lots' remaining, frozen = sum of lots' frozen": `
    select user_id from touched
    cross join lateral (
      select sum(remaining) as remaining, sum(frozen) as frozen
      from points.lot where user_id = touched.user_id
    ) as lots
    where (touched.balance, touched.frozen) is distinct from (lots.remaining, lots.frozen)`,
  "frozen = sum of open holds": `
    select user_id from touched
    cross join lateral (
      select coalesce(sum(points - settled), 0) as held
      from points.hold where user_id = touched.user_id and status = 'open'
    ) as holds
    where frozen <> held`,
  // Of an old account only what is new is read, from its last entry back.
  "sequence = number of entries": `
    select user_id from touched
    cross join lateral (
      select coalesce(max(sequence), 0) as sequence from (
        select entry.sequence from points.entry
        where user_id = touched.user_id and create_time < '${time}'
        order by entry.sequence desc limit 1
      ) as last
    ) as earlier
    cross join lateral (
      select earlier.sequence + count(*) as entries from points.entry
      where user_id = touched.user_id and sequence > earlier.sequence
    ) as journal
    where touched.sequence <> entries`,
  "an account is as its last entry left it": `
    select user_id from touched left join points.entry using (user_id, sequence)
    where (touched.balance, touched.frozen, touched.total_consumed, touched.hash)
      is distinct from (entry.balance, entry.frozen, entry.total_consumed, entry.hash)`,
});
