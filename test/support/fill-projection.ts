import type { TestDatabase } from "./database.ts";

/** Fills what SearchEntries and Summarize read from all entries that there are, by plain SQL. */
export async function fillProjection(
  { query }: TestDatabase,
  searchKeys: readonly string[] = [],
): Promise<void> {
  await query("truncate points.search_term, points.entry_sum");
  await query("update points.projection set search_keys = $1, caught_up_to = now()", [searchKeys]);
  await query(
    `insert into points.search_term
     select distinct floor(extract(epoch from create_time) / 86400)::integer,
       points.term_of(field, key, value), create_time, user_id, sequence
     from points.entry cross join lateral (
       select 'request_id', '', request_id where request_id is not null
       union all select 'actor', '', actor where actor is not null
       union all select 'metadata', key, value from jsonb_each_text(metadata)
         where key = any($1)
     ) as term (field, key, value)`,
    [searchKeys],
  );
  for (const whose of ["user_id", "''"]) {
    await query(`
      insert into points.entry_sum
      select ${whose}, floor(extract(epoch from create_time) / 900)::integer, kind,
        coalesce(service, ''), coalesce(caller, ''), coalesce(category, ''),
        ${whose === "''" ? "''" : "coalesce(member, '')"}, count(*), sum(points),
        sum(coalesce(owed, 0)), sum(coalesce(uncovered, 0)), sum(coalesce(repaid, 0))
      from points.entry group by 1, 2, 3, 4, 5, 6, 7`);
  }
}
