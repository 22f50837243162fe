import type pg from "pg";
import type { SessionAttributes } from "../../config/database-url.ts";

/** How long a transaction may be idle between two statements. */
export const TRANSACTION_MAX_MS = 5_000;

/** How long a statement waits for a lock. */
export const LOCK_MAX_MS = 2_000;

/**
 * What the statements of this folder rely on, whatever a role, a database or a server's
 * configuration has by default. As PostgreSQL shows it.
 */
const SETTINGS = {
  // Times are read as texts in UTC, texts as UTF-8.
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  client_encoding: "UTF8",
  standard_conforming_strings: "on",
  bytea_output: "hex",
  extra_float_digits: "1",
  array_nulls: "on",
  // Tables are named with their schema, and nobody else's function is to be taken for PostgreSQL's.
  search_path: "pg_catalog",
  // A policy would hide rows from us, and the ledger would be wrong without a word: an error is not.
  row_security: "off",
  default_table_access_method: "heap",
  // Locks are taken first, and what is read then is what others have committed by then.
  default_transaction_isolation: "read committed",
  // A batch waits for an account's lock at most so long, and is then tried again: without a bound, a
  // stuck transaction of another program would stop a lane for ever. The same the other way round: a
  // server that is stopped or cut off in a transaction loses its locks after a while.
  lock_timeout: `${LOCK_MAX_MS / 1_000}s`,
  idle_in_transaction_session_timeout: `${TRANSACTION_MAX_MS / 1_000}s`,
  // What must end sooner says so itself.
  statement_timeout: "0",
  transaction_timeout: "0",
  idle_session_timeout: "0",
  // A statement is planned once and its plan kept, which must be right whatever the statistics of a
  // young table say: nothing that we ask has a reason to read a whole one.
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_indexscan: "on",
  enable_indexonlyscan: "on",
  enable_bitmapscan: "on",
  enable_tidscan: "on",
  enable_nestloop: "on",
  enable_sort: "on",
  jit: "off",
  client_min_messages: "warning",
};

// They are not startup options, which poolers refuse. Older versions lack some.
const SET = `
  select name, wanted, set_config(name, wanted, false) as got
  from (values ${Object.entries(SETTINGS)
    .map(([name, value]) => `('${name}', '${value}')`)
    .join(", ")}) as setting (name, wanted)
  where current_setting(name, true) is not null`;

type Client = Pick<pg.ClientBase, "query">;

/**
 * Makes a new session ours, once, before anything else is asked in it.
 *
 * @throws if it does not do as it is told
 */
export async function prepareSession(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string; wanted: string; got: string }>(SET);
  for (const { name, wanted, got } of rows) {
    if (got === wanted) continue;
    throw new Error(`the database's session keeps ${name} = ${got}, and Points needs ${wanted}`);
  }
}

/**
 * Expects a server to be of the kind that target_session_attrs asks for, as libpq means it.
 *
 * @throws an Error with code 25006 if it is not
 */
export async function expectAttributes(
  client: Client,
  attributes: SessionAttributes,
): Promise<void> {
  if (attributes === "any") return;
  const { rows } = await client.query<{ standby: boolean; readonly: boolean }>(
    `select pg_is_in_recovery() as standby,
      current_setting('default_transaction_read_only')::boolean as readonly`,
  );
  const { standby, readonly } = rows[0]!;
  const is = {
    standby,
    primary: !standby,
    "read-only": standby || readonly,
    "read-write": !standby && !readonly,
  };
  if (is[attributes]) return;
  const what = standby ? "is a standby" : readonly ? "takes no writes" : "takes writes";
  const error = new Error(`it ${what}, and target_session_attrs is ${attributes}`);
  throw Object.assign(error, { code: "25006" });
}
