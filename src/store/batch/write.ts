import { type RawBuilder, sql } from "kysely";
import { type Columns, insertInto } from "../driver/columns.ts";

/** A statement that writes. */
export type Write = RawBuilder<unknown>;

type Insert = {
  readonly table: string;
  readonly columns: Columns;
  /** The number of values of each column. */
  readonly count: number;
  /** The clause for rows that may exist already. */
  readonly onConflict?: string;
};

/** Inserts rows. It fails if not every row was written, because of a foreign trigger or rule. */
export function insertAll({ table, columns, count, onConflict = "" }: Insert): Write {
  const insert = sql`${insertInto(table, columns)}${sql.raw(onConflict)}`;
  return requireRows(insert, count, `a new row of ${table} is gone`);
}

/**
 * Lets the database count the rows that a statement writes, and fail with a message if they are
 * others than `count`: COMMIT is on its way by then.
 */
export function requireRows(statement: Write, count: number, message: string): Write {
  return sql`with written as (${statement} returning 1)
    select require_rows(count(*), ${String(count)}::bigint, ${message}::text) from written`;
}
