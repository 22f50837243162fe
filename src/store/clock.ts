import { sql } from "kysely";
import type { Micros } from "../ledger/time.ts";
import { fromTimestamptz } from "./instant.ts";
import type { Run } from "./transaction.ts";

/**
 * The database's clock, the only one that decides anything. Read once a transaction, after its
 * locks: what another batch did to these accounts before then lies in the past.
 */
export async function databaseNow(run: Run): Promise<Micros> {
  const { rows } = await run(sql<{ now: string }>`select clock_timestamp() as now`);
  return fromTimestamptz(rows[0]!.now);
}
