import { sql } from "kysely";
import type { FeedRange } from "../../feed/read-stream.ts";
import { KIND_NUMBERS } from "../../ledger/entry-kinds.ts";
import type { Run } from "../driver/transaction.ts";
import { BUCKET, DAY } from "./bucket.ts";
import { termsOf } from "./terms.ts";

type AddOptions = {
  /** The keys of metadata that are indexed. */
  readonly searchKeys: readonly string[];
  /** The most entries to add. */
  readonly maxEntries: number;
};

/**
 * Adds the entries of a range to the index and the sums, in one statement: no entry travels to the
 * server. Of a range with more entries than the most it adds none.
 *
 * @returns how many entries the range has, or a number above the most; then `middle` is the feed number
 *   that half of those that were found are below
 */
export async function addRange(
  run: Run,
  range: FeedRange,
  { searchKeys, maxEntries }: AddOptions,
): Promise<{ count: number; middle: bigint | undefined }> {
  const { rows } = await run(sql<{ count: string; middle: string | null }>`
    with found as materialized (${foundIn(range, maxEntries)}),
    counted as materialized (select count(*) as count from found),
    said as (${termsOf("found", indexedPairs(searchKeys))}),
    indexed as (
      insert into search_term (day, term, create_time, user_id, sequence)
      select distinct on (day, term, create_time, user_id, sequence)
        day, term, create_time, user_id, sequence
      from said where (select count from counted) <= ${maxEntries}::bigint
      order by day, term, create_time, user_id, sequence
    ),
    of_users as materialized (
      select user_id, bucket, kind, service, caller, category, member, count(*) as entries,
        sum(points) as points, coalesce(sum(owed), 0) as owed,
        coalesce(sum(uncovered), 0) as uncovered, coalesce(sum(repaid), 0) as repaid
      from found where (select count from counted) <= ${maxEntries}::bigint
      group by user_id, bucket, kind, service, caller, category, member
    ),
    summed as (
      insert into entry_sum as kept (user_id, bucket, kind, service, caller, category, member,
        entries, points, owed, uncovered, repaid)
      select * from (
        select * from of_users
        union all
        select '', bucket, kind, service, caller, category, '', sum(entries), sum(points),
          sum(owed), sum(uncovered), sum(repaid)
        from of_users group by bucket, kind, service, caller, category
      ) as sums
      order by user_id, bucket
      on conflict (user_id, bucket, kind, service, caller, category, member) do update set
        entries = kept.entries + excluded.entries, points = kept.points + excluded.points,
        owed = kept.owed + excluded.owed, uncovered = kept.uncovered + excluded.uncovered,
        repaid = kept.repaid + excluded.repaid
    )
    select count, case when count > ${maxEntries}::bigint then (
      select percentile_disc(0.5) within group (order by feed) from found) end as middle
    from counted`);
  const { count, middle } = rows[0]!;
  return { count: Number(count), middle: middle === null ? undefined : BigInt(middle) };
}

/** The entries of a range. Those that were erased are in an index of their own. */
function foundIn({ epoch, from, to }: FeedRange, maxEntries: number) {
  const within = sql`epoch = ${epoch}::bigint and feed >= ${from}::bigint
    and feed < ${to}::bigint`;
  return sql`
    select user_id, sequence, feed, kind, points, owed, uncovered, repaid, create_time, request_id, actor,
      metadata, ${BUCKET} as bucket, ${DAY} as day,
      ${SERVICE} as service, coalesce(caller, '') as caller, coalesce(category, '') as category,
      coalesce(member, '') as member
    from (
      select * from entry where ${within} and personal_digest is null
      union all
      select * from entry where ${within} and personal_digest is not null
      limit ${maxEntries + 1}::bigint
    ) as entry`;
}

// Without one of its own: a SETTLE's is its hold's, a REFUND's that of the entry that it refunds.
// Subqueries are always looked up by the key, while a join might go through the whole table.
const SERVICE = sql`coalesce(service, case kind
  when ${sql.lit(KIND_NUMBERS.settle)} then (
    select held.service from entry as held
    where held.user_id = entry.user_id and held.sequence = entry.refers_to)
  when ${sql.lit(KIND_NUMBERS.refund)} then (
    select coalesce(taken.service, case taken.kind when ${sql.lit(KIND_NUMBERS.settle)} then (
      select held.service from entry as held
      where held.user_id = taken.user_id and held.sequence = taken.refers_to) end)
    from entry as taken
    where taken.user_id = entry.user_id and taken.sequence = entry.refers_to)
  end, '')`;

/** The pairs of metadata whose keys are indexed. */
function indexedPairs(searchKeys: readonly string[]) {
  return sql`(select key, metadata ->> key from unnest(${searchKeys}::text[]) as key
    where metadata ? key)`;
}
