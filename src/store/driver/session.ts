import type pg from "pg";
import type { SessionAttributes } from "../../config/database-url.ts";
import { TEST_CLOCK_SCHEMA } from "./test-clock.ts";

/** The longest time that a transaction may be idle between two statements. */
export const TRANSACTION_MAX_MS = 5_000;

/** The longest time that a statement waits for a lock. */
export const LOCK_MAX_MS = 2_000;

/**
 * Session settings on which all statements of src/store rely, whatever the defaults of the server,
 * the database or the role are. The values are as PostgreSQL shows them.
 */
const SETTINGS = {
  // Times are parsed as text in UTC, text as UTF-8.
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  client_encoding: "UTF8",
  standard_conforming_strings: "on",
  bytea_output: "hex",
  extra_float_digits: "1",
  array_nulls: "on",
  // A policy that hides rows would make the ledger silently wrong. "off" makes it an error.
  row_security: "off",
  default_table_access_method: "heap",
  // A batch takes its locks first; each later statement then sees all that was committed before.
  default_transaction_isolation: "read committed",
  // A batch that waits longer for a lock is tried again. Without this bound, a stuck transaction of
  // another program would block a lane for ever. The second bound releases the locks of a server that
  // was frozen or cut off in a transaction.
  lock_timeout: `${LOCK_MAX_MS / 1_000}s`,
  idle_in_transaction_session_timeout: `${TRANSACTION_MAX_MS / 1_000}s`,
  // Transactions that need a limit set their own (transaction.ts).
  statement_timeout: "0",
  transaction_timeout: "0",
  idle_session_timeout: "0",
  // Each prepared statement is planned once per connection. The generic plan must be right for tables
  // of any size, also where the statistics are those of a new table: no statement may scan a table.
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

// A statement sets them, since poolers refuse startup options. Older versions lack some of them.
const SET = `
  select name, wanted, set_config(name, wanted, false) as got
  from json_each_text($1) as setting (name, wanted)
  where current_setting(name, true) is not null`;

type Client = Pick<pg.ClientBase, "query">;

/**
 * Applies the session settings to a new session, before any other statement.
 *
 * @param schema the name of the ledger's schema: statements name its tables without it
 * @param testClock whether its statements go by the clock for tests, where the database has one
 * @throws if the session does not accept a setting
 */
export async function prepareSession(
  client: Client,
  schema: string,
  testClock = false,
): Promise<void> {
  const settings = { ...SETTINGS, search_path: searchPath(schema, testClock) };
  const { rows } = await client.query<{ name: string; wanted: string; got: string }>(SET, [
    JSON.stringify(settings),
  ]);
  for (const { name, wanted, got } of rows) {
    if (got === wanted) continue;
    throw new Error(`the database's session keeps ${name} = ${got}, and Points needs ${wanted}`);
  }
}

/**
 * PostgreSQL's own schema comes first of itself, so that no other may shadow its functions. The clock
 * for tests is there to do that; what is made without a schema's name still belongs to the ledger's.
 */
function searchPath(schema: string, testClock: boolean): string {
  const clock = testClock ? `${TEST_CLOCK_SCHEMA}, pg_catalog, ` : "";
  return `"${schema}", ${clock}pg_temp`;
}

/**
 * Checks that a server is of the kind that target_session_attrs asks for, with libpq's meanings.
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
