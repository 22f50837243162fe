import { type RawBuilder, sql } from "kysely";

/**
 * SQL for what the index says of entries: each row as often as it has terms, with its `term`. Who adds
 * entries and who takes them out spell terms alike. Two terms of an entry may have one hash.
 *
 * @param entries the name of a table that has an entry's columns
 * @param pairs a table of keys and values: those of `metadata` that are meant
 */
export function termsOf(entries: string, pairs: RawBuilder<unknown>): RawBuilder<unknown> {
  const of = sql.raw(entries);
  return sql`
    select ${of}.*, term_of('request_id', '', request_id) as term from ${of}
    where request_id is not null
    union all
    select ${of}.*, term_of('actor', '', actor) from ${of} where actor is not null
    union all
    select ${of}.*, term_of('metadata', pair.key, pair.value)
    from ${of} cross join lateral ${pairs} as pair (key, value)`;
}
