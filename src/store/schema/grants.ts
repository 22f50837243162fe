import { UserError } from "../../errors/user-error.ts";
import type { EntityManager } from "../driver/orm.ts";

/**
 * The least privileges that a server needs, by table. Entries and receipts are append-only: even an
 * intruder with the server's role can neither change nor delete them.
 */
const GRANTS = {
  migration: "select",
  page_key: "select",
  ledger: "select",
  epoch: "select, insert",
  entry: "select, insert",
  receipt: "select, insert",
  account: `select, insert, update (sequence, balance, frozen, total_recharged, total_consumed,
    total_expired, total_refunded, hash, receipts, open_holds, due_time, update_time, lots,
    lots_beyond, beyond_remaining, beyond_frozen, beyond_scoped, feed, feed_epoch, debt,
    total_revoked, repaid_until, open_claims, claims_sequence, policies, policies_sequence)`,
  lot: "select, insert, update (remaining, frozen), delete",
  open_lot: "select",
  journal: "select",
  hold: "select, insert, update (points, settled, status, expire_time, allocations, in_parts)",
  policy: `select, insert, update (sequence, counts_from, rule, ended, period, next_time, given, since,
    until, spent), delete`,
  undone: "select, insert, update (refunded, revoked, claimed)",
  projection: "select, update (epoch, feed, search_keys, caught_up_to, step_time)",
  search_term: "select, insert, truncate",
  entry_sum: "select, insert, update (entries, points, owed, uncovered, repaid), truncate",
  overview: "select, update (leased_until, as_of, end_time, sums, largest)",
};

const FUNCTIONS = [
  "unpack_lots",
  "unpack_allocations",
  "require_rows",
  "summarize_feed",
  "term_of",
];

/** The columns that a server changes, as SQL: rows of a table's and a column's name. */
const CHANGED = Object.entries(GRANTS)
  .flatMap(([table, grant]) => {
    const columns = /update \(([^)]*)\)/.exec(grant)?.[1]?.split(/,\s*/) ?? [];
    return columns.map((column) => `('${table}', '${column}')`);
  })
  .join();

/** The tables that a server adds rows to, as SQL. */
const INSERTED = Object.entries(GRANTS)
  .filter(([, grant]) => grant.includes("insert"))
  .map(([table]) => `'${table}'`)
  .join();

/**
 * Grants a role the privileges of a server, and revokes all others that it was granted on the schema.
 * It must run in a transaction, as the tables' owner.
 *
 * @throws {UserError} if there is no such role, or if it may change entries by other means
 */
export async function grantToServer(em: EntityManager, role: string): Promise<void> {
  const [found] = await em.execute<{ name: string }[]>(
    "select quote_ident(rolname) as name from pg_roles where rolname = ?",
    [role],
  );
  if (found === undefined) throw new UserError(`SERVER_ROLE: the database has no role ${role}`);
  const [schema] = await em.execute<{ name: string }[]>(
    "select quote_ident(current_schema()) as name",
  );
  for (const on of [`schema ${schema!.name}`, `all tables in schema ${schema!.name}`]) {
    await em.execute(`revoke all on ${on} from ${found.name}`);
  }
  await em.execute(`grant usage on schema ${schema!.name} to ${found.name}`);
  for (const [table, grant] of Object.entries(GRANTS)) {
    await em.execute(`grant ${grant} on ${table} to ${found.name}`);
  }
  for (const name of FUNCTIONS) {
    await em.execute(`grant execute on function ${name} to ${found.name}`);
  }
  const [still] = await em.execute<{ may: boolean }[]>(MAY_CHANGE_ENTRIES, [role, role, role]);
  if (still?.may === false) return;
  throw new UserError(
    `SERVER_ROLE: ${role} may change entries whatever it is granted: it is a superuser, owns the ` +
      "tables, the schema or the database, or is a member of a role that does",
  );
}

const MAY_CHANGE_ENTRIES = `
  select has_table_privilege(?, entry.oid, 'update, delete, truncate, trigger')
    or has_any_column_privilege(?, entry.oid, 'update')
    or exists (
      select from unnest(array[entry.relowner, schema.nspowner, database.datdba]) as owner
      where pg_has_role((select oid from pg_roles where rolname = ?), owner, 'member')
    ) as may
  from pg_class as entry
  join pg_namespace as schema on schema.oid = entry.relnamespace
  join pg_database as database on database.datname = current_database()
  where entry.oid = 'entry'::regclass`;

/** A role's rights on the ledger's tables. */
export type Rights = {
  /** The tables' owner. */
  readonly owner: string;
  readonly reads: boolean;
  /** Whether it may add entries and change accounts, as a server does. */
  readonly writes: boolean;
  /** Whether row-level security is in force for it, on any of the tables. */
  readonly filtered: boolean;
};

/**
 * SQL for the rights of the current role on the schema $1, as JSON; null where there are no tables. It
 * works for a role without any right on the schema.
 */
export const RIGHTS = `
  select json_build_object(
    'owner', min(pg_get_userbyid(relowner)),
    'reads', bool_and(may_use and has_table_privilege(tables.oid, 'select')),
    'writes', bool_and(may_use and (
      relname not in (${INSERTED}) or has_table_privilege(tables.oid, 'insert'))
      and not exists (
        select from (values ${CHANGED}) as changed (of_table, name)
        join pg_attribute on attrelid = tables.oid and attname = name
        where of_table = relname and not has_column_privilege(tables.oid, attnum, 'update'))),
    'filtered', bool_or(row_security_active(tables.oid)))
  from pg_class as tables
  join pg_namespace as schema on schema.oid = relnamespace,
    lateral has_schema_privilege(schema.oid, 'usage') as may_use
  where nspname = $1 and relname in (${Object.keys(GRANTS)
    .map((table) => `'${table}'`)
    .join(", ")})
  having count(*) > 0`;
