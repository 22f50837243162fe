import { sql } from "kysely";
import type { Transaction } from "./transaction.ts";

/**
 * Synchronous replication barrier: waits until all earlier commits are as durable as PostgreSQL is
 * configured to make them. An answer that repeats an earlier transaction needs it: that transaction's
 * wait for a synchronous standby may have been cancelled, or cut off by a crash, while the primary
 * shows its changes all the same.
 *
 * Standbys receive the write-ahead log in order. So this transaction, which must have changed
 * nothing, writes a message to the log and commits: when the standbys have it, they have all before
 * it. Without synchronous standbys this is one short statement, and the transaction stays open.
 *
 * @throws errors of `commit`: then the earlier commits may still be lost
 */
export async function waitForStandbys({ run, commit }: Transaction): Promise<void> {
  const { rows } = await run(sql<{ sent: boolean }>`
    select case
      when current_setting('synchronous_standby_names') <> ''
        and current_setting('synchronous_commit') not in ('off', 'local')
      then pg_logical_emit_message(true, 'points', '')
    end is not null as sent`);
  if (rows[0]!.sent) await commit();
}
