import type { Database } from "./cluster.ts";

/** The position of a ledger before a row. */
export type Mark = { readonly time: string; readonly entries: bigint };

/** Reads the current position. */
export async function mark({ query }: Pick<Database, "query">): Promise<Mark> {
  const [row] = await query<{ time: string; entries: string }>(
    "select clock_timestamp()::text as time, sum(sequence) as entries from points.account",
  );
  return { time: row!.time, entries: BigInt(row!.entries) };
}

/**
 * Checks the ledger after a row: every account that the row touched satisfies the invariants, and the
 * number of new entries equals the number of answers.
 *
 * @param answered the number of answers with an entry
 * @returns the errors; none if all is well
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
  // The planner needs the number of touched accounts, from one to all.
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
 * Queries for the accounts that violate an invariant. Each looks up the rows of one account after the
 * other: joined with all sums at once, every account may be compared with every sum.
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
  // Reads only the new entries of an old account, from its last one back.
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
