import { sql } from "kysely";
import type { Run } from "../driver/transaction.ts";

/**
 * Keeps a table that is built from the journal from being emptied until the snapshot is dropped. A table
 * that is emptied (TRUNCATE) is empty in older snapshots too, in which `projection` still says that it is
 * built: so this has to come before the transaction's first query, with which its snapshot is taken.
 */
export async function keepBuilt(run: Run, table: "search_term" | "entry_sum"): Promise<void> {
  await run(sql`lock table ${sql.raw(table)} in access share mode`);
}
