import { Migrator } from "@mikro-orm/migrations";
import { MikroORM } from "@mikro-orm/postgresql";
import {
  AccountEntity,
  EntryEntity,
  HoldEntity,
  LotEntity,
  PageKeyEntity,
  ReceiptEntity,
  RefundEntity,
} from "./entities.ts";
import { MIGRATIONS } from "./migrations/list.ts";

/** The ORM, which owns the pool of connections to one database. */
export type Orm = MikroORM;

/** How long a transaction may be idle between two statements. */
export const TRANSACTION_MAX_MS = 5_000;

/** How long a statement waits for a lock. */
export const LOCK_MAX_MS = 2_000;

/** A unit of work: `orm.em.fork()`, thrown away after its transaction. */
export type EntityManager = Orm["em"];

/**
 * Connects to a database. Nothing is read or written yet, so that it succeeds while the database
 * is away.
 *
 * @param url `postgresql://user:password@host:port/database`, or a socket's folder as the host
 * @param poolMax how many connections at most, 2 or more
 * @param answerMaxMs a connection on which a statement takes longer is given up, since the database
 * or the network to it has gone silent; 0: never
 */
export async function openOrm(url: string, poolMax: number, answerMaxMs = 0): Promise<Orm> {
  return MikroORM.init({
    clientUrl: url,
    schema: "points",
    entities: [
      AccountEntity,
      LotEntity,
      HoldEntity,
      EntryEntity,
      RefundEntity,
      ReceiptEntity,
      PageKeyEntity,
    ],
    extensions: [Migrator],
    migrations: { migrationsList: MIGRATIONS, tableName: "migration", snapshot: false },
    ensureDatabase: false,
    // What it would log has users' data in it; errors come back to the caller, who logs them.
    logger: () => {},
    forceUtcTimezone: true,
    pool: { min: 0, max: poolMax },
    driverOptions: {
      connectionTimeoutMillis: 5_000,
      query_timeout: answerMaxMs,
      // Statements go out without waiting for those before them: see transaction.ts.
      pipeline: true,
      // Times are read as texts in UTC. A batch waits for an account's lock at most so long, and is
      // then tried again: without a bound, a stuck transaction of another program would stop a lane
      // for ever. The same the other way round: a server that is stopped or cut off in a transaction
      // loses its locks after a while. A statement is planned once and its plan kept, which must be
      // right whatever the statistics of a young table say: nothing that we ask has a reason to
      // read a whole one. A role's or a database's own defaults for warnings and for isolation would
      // hide a COMMIT that did not reach its standby, or make whoever waits for a lock fail.
      options:
        `-c timezone=UTC -c lock_timeout=${LOCK_MAX_MS} ` +
        `-c idle_in_transaction_session_timeout=${TRANSACTION_MAX_MS} ` +
        "-c client_min_messages=warning -c default_transaction_isolation=read\\ committed " +
        "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off",
    },
  });
}
