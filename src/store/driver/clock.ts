import { type RawBuilder, sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz, toTimestamptz } from "./instant.ts";
import type { Run } from "./transaction.ts";

/**
 * Reads the database's clock, the only clock that decides anything, and keeps it as `NOW` for the
 * rest of the transaction. A batch reads it once, after it has its locks: then all that other batches
 * did to these accounts lies in the past.
 *
 * @param clock for tests
 */
export async function databaseNow(
  run: Run,
  clock: RawBuilder<unknown> = sql`clock_timestamp()`,
): Promise<Micros> {
  const { rows } = await run(
    sql<{ now: string }>`select set_config('points.now', (${clock})::text, true) as now`,
  );
  return fromTimestamptz(rows[0]!.now);
}

/** Sets `NOW` to another instant, for all that the transaction sends from here on. */
export async function setNow(run: Run, now: Micros): Promise<void> {
  await run(sql`select set_config('points.now', ${toTimestamptz(now)}, true)`);
}

/** SQL for the instant that `databaseNow` read or `setNow` set, earlier in the transaction. */
export const NOW = sql`(select current_setting('points.now')::timestamptz)`;
