import { sql } from "kysely";
import type { Run } from "../driver/transaction.ts";

/**
 * Makes the planner take rows in an index's order. It does not know how long a range is, and else may read
 * and sort all of it for one page (a bitmap scan).
 *
 * @param run of a transaction, for the rest of which it holds
 */
export async function goByIndex(run: Run): Promise<void> {
  await run(sql`set local enable_bitmapscan = off`);
}
