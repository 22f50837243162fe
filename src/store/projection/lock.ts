import { sql } from "kysely";
import type { Run } from "../driver/transaction.ts";

// Who writes the index and the sums takes this lock, until the end of its transaction. The table's own
// number tells the ledgers of one database apart.
const KEY = sql`1347571530, 'projection'::regclass::oid::integer`;

/** Takes the lock, unless another transaction has it. */
export async function tryProjectionLock(run: Run): Promise<boolean> {
  const { rows } = await run(
    sql<{ got: boolean }>`select pg_try_advisory_xact_lock(${KEY}) as got`,
  );
  return rows[0]!.got;
}

/** Waits for the lock, as long as `lock_timeout` says. */
export async function takeProjectionLock(run: Run): Promise<void> {
  await run(sql`select pg_advisory_xact_lock(${KEY})`);
}
