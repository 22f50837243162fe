import { readFile } from "node:fs/promises";
import { sql } from "kysely";
import type { Run } from "../store/driver/transaction.ts";
import { MIGRATIONS } from "../store/schema/migrations/list.ts";

/**
 * Finds schema drift: compares the database with schema.txt, which says what the migrations make. It
 * checks tables, columns, keys, checks, indexes, the views and their functions; that tables are logged; and that no trigger,
 * rule, policy or inheritance changes what is written or read. Additional indexes are allowed.
 *
 * @returns the differences, a sentence each
 */
export async function flawsOfSchema(run: Run): Promise<readonly string[]> {
  const { rows } = await run(sql<{ name: string }>`select name from migration order by id`);
  const names = rows.map(({ name }) => name);
  const migrations = MIGRATIONS.map(({ name }) => name);
  const newer = names.filter((name) => !migrations.includes(name));
  if (newer.length > 0) return [`this version does not know the migration ${newer.join(", ")}`];

  const file = new URL("schema.txt", import.meta.url);
  const expected = (await readFile(file, "utf8")).trim().split("\n");
  const found = await readSchema(run);
  const missing = expected.filter((line) => !found.includes(line) && !found.includes(valid(line)));
  const known = new Set([...expected, ...expected.map(valid)]);
  const extra = found.filter((line) => !known.has(line) && !line.startsWith("index "));
  return [
    ...(names.join() === migrations.join()
      ? []
      : ["the table migration has not each migration once"]),
    ...missing.map((line) => `lacks ${line}`),
    ...extra.map((line) => `has ${line}, which no migration makes`),
  ];
}

/** A check that older rows need not pass, as it is once they were compared with it. */
function valid(line: string): string {
  return line.replace(/ NOT VALID$/, "");
}

/**
 * The schema as sorted lines. They are the same for all versions of PostgreSQL, and for partitioned
 * tables. Invalid indexes are left out; so are the names of indexes and constraints, since another
 * name does no damage, and the columns of the migrator's own table. Names that are not on the
 * session's search_path (session.ts) are written with their schema.
 */
export async function readSchema(run: Run): Promise<readonly string[]> {
  const { rows } = await run(sql<{ line: string }>`
    with recursive relation as (
      select pg_class.*, relname::text as of_table from pg_class
      join pg_namespace on pg_namespace.oid = relnamespace
      where nspname = current_schema() and relkind in ('r', 'p', 'f', 'v', 'm') and not relispartition
      union all
      select pg_class.*, of_table from relation
      join pg_inherits on inhparent = relation.oid
      join pg_class on pg_class.oid = inhrelid
      where pg_class.relispartition
    ), ours as (
      select oid, of_table from relation
      where relkind in ('r', 'p') and not relispartition and relname <> 'migration'
    )
    ${LINES_OF_TABLES} union ${LINES_OF_COLUMNS} union ${LINES_OF_CONSTRAINTS}
    union ${LINES_OF_INDEXES} union ${LINES_OF_VIEWS} union ${LINES_OF_FUNCTIONS}
    union ${LINES_OF_INTRUDERS}`);
  return rows.map(({ line }) => line).toSorted();
}

const LINES_OF_TABLES = sql`
  select concat_ws(' ',
    case when relkind in ('r', 'p') then 'table' when relkind = 'f' then 'foreign table' else 'view'
    end, of_table) as line
  from relation`;

const LINES_OF_COLUMNS = sql`
  select concat_ws(' ', 'column', of_table || '.' || attname, format_type(atttypid, atttypmod),
    case when attcollation <> typcollation then 'collate ' || attcollation::regcollation end,
    case when attnotnull then 'not null' end,
    case attidentity when '' then null else 'identity' end,
    case attgenerated when '' then 'default' when 's' then 'stored' else 'virtual' end
      || ' ' || pg_get_expr(adbin, adrelid))
  from ours
  join pg_attribute on attrelid = ours.oid and attnum > 0 and not attisdropped
  join pg_type on pg_type.oid = atttypid
  left join pg_attrdef on adrelid = attrelid and adnum = attnum`;

// Constraints of not null are among the columns, those of uniqueness among the indexes.
const LINES_OF_CONSTRAINTS = sql`
  select concat_ws(' ', 'constraint', of_table, pg_get_constraintdef(pg_constraint.oid))
  from ours join pg_constraint on conrelid = ours.oid and contype not in ('n', 'u')`;

// Without the index's name, the "only" of a partitioned index, and storage parameters.
const LINES_OF_INDEXES = sql`
  select concat_ws(' ', 'index', of_table, case when indisunique then 'unique' end,
    regexp_replace(
      regexp_replace(pg_get_indexdef(indexrelid), '^.*? USING ', ''), ' WITH \\([^()]*\\)', ''))
  from ours join pg_index on indrelid = ours.oid
  where indisvalid and indisready and indislive`;

// Only some versions qualify the columns of a view that has a single table. A view that is not ours
// is among the tables.
const LINES_OF_VIEWS = sql`
  select concat_ws(' ', 'definition', of_table, array_to_string(reloptions, ' '), 'as',
    btrim(regexp_replace(
      regexp_replace(pg_get_viewdef(oid), '\\m(account|lot|unpacked|entry|kind|part)\\.', '', 'g'),
      '\\s+', ' ', 'g')))
  from relation where relkind = 'v' and relname in ('open_lot', 'journal')`;

// Functions that return something: triggers are found where they are used.
const LINES_OF_FUNCTIONS = sql`
  select concat_ws(' ', 'function', format('%I(%s)', proname, pg_get_function_arguments(pg_proc.oid)),
    'returns', pg_get_function_result(pg_proc.oid), provolatile, array_to_string(proconfig, ' '),
    'as', btrim(regexp_replace(prosrc, '\\s+', ' ', 'g')))
  from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
  where nspname = current_schema() and prorettype <> 'trigger'::regtype`;

const LINES_OF_INTRUDERS = sql`
  select 'unlogged table ' || of_table from relation where relpersistence = 'u'
  union
  select 'row security on ' || of_table from relation where relrowsecurity or relforcerowsecurity
  union
  select format('trigger %I on %s', tgname, of_table)
  from relation join pg_trigger on tgrelid = relation.oid and not tgisinternal
  union
  select format('rule %I on %s', rulename, of_table)
  from relation join pg_rewrite on ev_class = relation.oid and rulename <> '_RETURN'
  union
  select format('policy %I on %s', polname, of_table)
  from relation join pg_policy on polrelid = relation.oid
  union
  select format('%s that inherits %s', child.oid::regclass, parent.oid::regclass)
  from pg_inherits
  join pg_class as child on child.oid = inhrelid and not child.relispartition
  join pg_class as parent on parent.oid = inhparent
  where child.relkind not in ('i', 'I')
    and (child.oid in (select oid from relation) or parent.oid in (select oid from relation))`;
