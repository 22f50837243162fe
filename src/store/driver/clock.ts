import { type RawBuilder, sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz } from "./instant.ts";
import type { Run } from "./transaction.ts";

/** When a batch is, by the database, and which of its transactions it is. */
export type Moment = { readonly now: Micros; readonly transactionId: bigint };

/**
 * Reads the database's clock, the only clock that decides anything. A batch reads it once, after it
 * has its locks: then all that other batches did to these accounts lies in the past. The locks have
 * given the transaction its id.
 *
 * @param clock for tests
 */
export async function batchMoment(run: Run, clock: RawBuilder<unknown> = CLOCK): Promise<Moment> {
  const { rows } = await run(
    sql<{ now: string; id: string }>`select ${clock} as now, pg_current_xact_id() as id`,
  );
  return { now: fromTimestamptz(rows[0]!.now), transactionId: BigInt(rows[0]!.id) };
}

/** The same for what writes nothing: such a transaction gets no id, and a standby has none to give. */
export async function databaseNow(run: Run): Promise<Micros> {
  const { rows } = await run(sql<{ now: string }>`select ${CLOCK} as now`);
  return fromTimestamptz(rows[0]!.now);
}

const CLOCK = sql`clock_timestamp()`;
