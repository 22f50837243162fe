import { sql } from "kysely";
import type { Orm } from "../driver/orm.ts";
import { LOCK_MAX_MS } from "../driver/session.ts";
import { inTransaction, type Run } from "../driver/transaction.ts";
import { MARK } from "./caught-up.ts";
import { takeProjectionLock } from "./lock.ts";
import { keysOf } from "./search-keys.ts";

/**
 * Empties the index and the sums; the next steps build them anew, by whatever server. It waits for the
 * step under way, and some seconds for readers.
 *
 * @param searchKeys the keys of metadata to index from now on; undefined: those of before
 * @throws an error of the class "timeout" (faultOf) if somebody reads for longer
 */
export async function emptyProjection(
  orm: Orm,
  searchKeys: readonly string[] | undefined,
): Promise<void> {
  await inTransaction(orm, async ({ run, commit }) => {
    await run(sql`set local lock_timeout = 0`);
    await takeProjectionLock(run);
    await empty(run);
    await commit([MARK, begunAnew(searchKeys)]);
  });
}

/** Empties both tables: who has the lock writes the marker and the place (`begunAnew`) with it. */
export async function empty(run: Run): Promise<void> {
  // Who waits for a table keeps out all readers that come later.
  await run(sql`set local lock_timeout = ${sql.lit(LOCK_MAX_MS)}`);
  await run(sql`truncate search_term, entry_sum`);
}

/** Moves the place before all entries. */
export function begunAnew(searchKeys?: readonly string[]) {
  const keys = searchKeys === undefined ? sql`search_keys` : keysOf(searchKeys);
  return sql`update projection set epoch = 0, feed = 0, search_keys = ${keys},
    caught_up_to = null, step_time = null`;
}
