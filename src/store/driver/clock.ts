import { type RawBuilder, sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz, toTimestamptz } from "./instant.ts";
import type { Run } from "./transaction.ts";

/**
 * The database's clock, the only one that decides anything. Read once a transaction, after its
 * locks: what another batch did to these accounts before then lies in the past.
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

/** Has `NOW` be another instant than the clock's, for what the transaction sends from here on. */
export async function setNow(run: Run, now: Micros): Promise<void> {
  await run(sql`select set_config('points.now', ${toTimestamptz(now)}, true)`);
}

/** What `databaseNow` read or `setNow` said, in a statement that the transaction sent after it. */
export const NOW = sql`(select current_setting('points.now')::timestamptz)`;
