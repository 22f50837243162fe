import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { beginSnapshot, type Run } from "../driver/transaction.ts";

/** A database as it was at one instant: one snapshot, on one connection. */
export type Reading = {
  /** Its queries are of the snapshot. It is for reads alone. */
  readonly run: Run;
  /** All that was committed before is in the snapshot; by the primary's clock. */
  readonly asOf: Micros;
  /** Whether it is a standby's, and so may be older than now. */
  readonly lags: boolean;
};

/** A standby that has replayed no commit since its start knows no time. */
export class NoTime extends Error {
  /** PostgreSQL's own, of a database that is starting up. */
  readonly code = "57P03";
}

/**
 * Reads one snapshot, of the primary or of a standby.
 *
 * @throws {NoTime} and what `work` throws
 */
export async function readSnapshot<T>(
  orm: Orm,
  work: (reading: Reading) => Promise<T>,
): Promise<T> {
  return beginSnapshot(orm, async (run, begin) => {
    const looking = run(STATE);
    begin();
    const { rows } = await looking;
    const { lags, as_of: asOf } = rows[0]!;
    if (asOf === null) throw new NoTime("the standby has replayed no commit since its start");
    return work({ run, lags, asOf: fromTimestamptz(asOf) });
  });
}

/**
 * A standby's time is that of the last commit that it has replayed: the primary noted it before it wrote
 * the commit, and whoever was answered earlier had written theirs. It is old where nothing happens. It is
 * read before the snapshot, and so is not too new for it.
 */
const STATE = sql<{ lags: boolean; as_of: string | null }>`
  select lags, case when lags then pg_last_xact_replay_timestamp() else statement_timestamp() end
    as as_of
  from (select pg_is_in_recovery() as lags offset 0) as state`;
