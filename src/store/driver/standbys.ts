import { sql } from "kysely";
import type { Transaction } from "./transaction.ts";

/**
 * Waits until all that was committed before is as durable as PostgreSQL was told to make it. Who
 * answers with what an earlier transaction committed asks for it, since that one need not have
 * waited to its end: its wait for a synchronous standby may have been cancelled, or cut off by a
 * crash, and the primary shows it all the same.
 *
 * Standbys get the log in its order. So the transaction, which must have changed nothing, writes a
 * message into the log and is committed: it waits for the standbys, and they have all before it.
 * Where there are none it is one short statement; the transaction is then left as it is.
 *
 * @throws what `commit` throws: then what was committed before may still be lost
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
