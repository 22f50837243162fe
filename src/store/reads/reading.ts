import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { EntityManager, Orm } from "../driver/orm.ts";
import type { Run } from "../driver/transaction.ts";

/** A database as it was at one instant: one snapshot, on one connection. */
export type Reading = {
  /** Its queries, as those of `run`, are of the snapshot. It is for reads alone. */
  readonly em: EntityManager;
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
  return orm.em
    .fork()
    .getKysely()
    .connection()
    .execute(async (connection) => {
      const em = orm.em.fork();
      em.setTransactionContext(connection);
      const { asOf, lags } = await stateOf(em);
      // It locks no account, so that it may take its time.
      await sql`begin isolation level repeatable read read only;
        set local idle_in_transaction_session_timeout = 0`.execute(connection);
      try {
        return await work({ em, asOf, lags, run: (statement) => statement.execute(connection) });
      } finally {
        await sql`rollback`.execute(connection).catch(() => {});
      }
    });
}

/**
 * A standby's time is that of the last commit that it has replayed: the primary noted it before it wrote
 * the commit, and whoever was answered earlier had written theirs. It is old where nothing happens. It is
 * read before the snapshot, and so is not too new for it.
 */
async function stateOf(
  em: EntityManager,
): Promise<{ readonly asOf: Micros; readonly lags: boolean }> {
  const { rows } = await sql<{ lags: boolean; as_of: string | null }>`
    select lags, case when lags then pg_last_xact_replay_timestamp() else statement_timestamp() end
      as as_of
    from (select pg_is_in_recovery() as lags offset 0) as state`.execute(em.getKysely());
  const { lags, as_of: asOf } = rows[0]!;
  if (asOf === null) throw new NoTime("the standby has replayed no commit since its start");
  return { asOf: fromTimestamptz(asOf), lags };
}
