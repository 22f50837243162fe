import { sql } from "kysely";
import { type Columns, insertInto } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";

type Insert = {
  readonly table: string;
  readonly columns: Columns;
  /** The number of values of each column. */
  readonly count: number;
  /** The clause for rows that may exist already. */
  readonly onConflict?: string;
};

/**
 * Inserts rows in one statement.
 *
 * @throws an Error if not every row was written, because of a foreign trigger or rule
 */
export async function insertAll(
  run: Run,
  { table, columns, count, onConflict = "" }: Insert,
): Promise<void> {
  const { numAffectedRows } = await run(sql`${insertInto(table, columns)}${sql.raw(onConflict)}`);
  if (numAffectedRows !== BigInt(count)) throw new Error(`a new row of ${table} is gone`);
}
