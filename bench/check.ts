import type { Database } from "./cluster.ts";

/** The position of a ledger before a row. */
export type Mark = { readonly time: string; readonly entries: bigint };

/** The schema of a ledger: Points' own, or that of the baselines. */
export type Schema = "points" | "baseline";

/** Reads the current position. */
export async function mark(
  { query }: Pick<Database, "query">,
  schema: Schema = "points",
): Promise<Mark> {
  const [row] = await query<{ time: string; entries: string }>(
    `select clock_timestamp()::text as time, sum(sequence) as entries from ${schema}.account`,
  );
  return { time: row!.time, entries: BigInt(row!.entries) };
}

type Asked = {
  readonly before: Mark;
  /** The number of answers with an entry. */
  readonly answered: number;
  readonly schema?: Schema;
};

/**
 * Checks the ledger after a row: every account that the row touched satisfies the invariants, and the
 * number of new entries equals the number of answers.
 *
 * @returns the errors; none if all is well
 */
export async function check(
  database: Pick<Database, "query">,
  { before, answered, schema = "points" }: Asked,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  await database.query("drop table if exists touched");
  await database.query(`create temporary table touched as
    select * from ${schema}.account where update_time >= '${before.time}'`);
  // The planner needs the number of touched accounts, from one to all.
  await database.query("analyze touched");
  const broken = brokenSince(before, schema, await lotsIn(database, schema));
  for (const [what, sql] of Object.entries(broken)) {
    const rows = await database.query<{ user_id: string }>(`${sql} limit 3`);
    if (rows.length > 0) {
      wrong.push(`${what} is broken for ${rows.map(({ user_id }) => user_id).join(", ")}`);
    }
  }
  const { entries } = await mark(database, schema);
  const made = entries - before.entries;
  if (made !== BigInt(answered)) wrong.push(`${answered} answers, but ${made} entries`);
  return wrong;
}

/** The view or table that has all open lots: other checkouts and the baselines have no view. */
async function lotsIn({ query }: Pick<Database, "query">, schema: Schema): Promise<string> {
  const [row] = await query<{ view: string | null }>(
    `select to_regclass('${schema}.open_lot')::text as view`,
  );
  return row!.view === null ? `${schema}.lot` : `${schema}.open_lot`;
}

/**
 * Queries for the accounts that violate an invariant. Each looks up the rows of one account after the
 * other: joined with all sums at once, every account may be compared with every sum.
 */
const brokenSince = (
  { time }: Mark,
  schema: Schema,
  lots: string,
): Readonly<Record<string, string>> => ({
  "balance + frozen + consumed + expired = recharged + refunded": `
    select user_id from touched
    where balance + frozen + total_consumed + total_expired <> total_recharged + total_refunded`,
  "balance = sum of lots' remaining, frozen = sum of lots' frozen": `
    select user_id from touched
    cross join lateral (
      select sum(remaining) as remaining, sum(frozen) as frozen
      from ${lots} where user_id = touched.user_id
    ) as lots
    where (touched.balance, touched.frozen) is distinct from (lots.remaining, lots.frozen)`,
  // The baselines have no holds.
  "frozen = sum of open holds": `
    select user_id from touched
    cross join lateral (
      select coalesce(sum(points - settled), 0) as held
      from points.hold where user_id = touched.user_id and status = 'open'
    ) as holds
    where frozen <> ${schema === "points" ? "held" : "0"}`,
  // Reads only the new entries of an old account, from its last one back.
  "sequence = number of entries": `
    select user_id from touched
    cross join lateral (
      select coalesce(max(sequence), 0) as sequence from (
        select entry.sequence from ${schema}.entry
        where user_id = touched.user_id and create_time < '${time}'
        order by entry.sequence desc limit 1
      ) as last
    ) as earlier
    cross join lateral (
      select earlier.sequence + count(*) as entries from ${schema}.entry
      where user_id = touched.user_id and sequence > earlier.sequence
    ) as journal
    where touched.sequence <> entries`,
  "an account is as its last entry left it": `
    select user_id from touched left join ${schema}.entry using (user_id, sequence)
    where (touched.balance, touched.frozen, touched.total_consumed, touched.hash)
      is distinct from (entry.balance, coalesce(entry.frozen, 0), entry.total_consumed, entry.hash)`,
});
