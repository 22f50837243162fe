import { Migrator } from "@mikro-orm/migrations";
import { MikroORM } from "@mikro-orm/postgresql";
import type pg from "pg";
import { DATABASE_SCHEMA, parseDatabaseUrl } from "../../config/database-url.ts";
import { MIGRATIONS } from "../schema/migrations/list.ts";
import {
  EntrySumEntity,
  OverviewEntity,
  ProjectionEntity,
  SearchTermEntity,
} from "./built-entities.ts";
import { type Connector, connectorOf } from "./connect.ts";
import {
  AccountEntity,
  EntryEntity,
  EpochEntity,
  HoldEntity,
  LedgerEntity,
  LotEntity,
  PageKeyEntity,
  PolicyEntity,
  ReceiptEntity,
  UndoneEntity,
} from "./entities.ts";
import { expectAttributes, prepareSession } from "./session.ts";

/** The ORM. It owns the connection pool of one database. */
export type Orm = MikroORM;

/** A unit of work: `orm.em.fork()`, dropped after its transaction. */
export type EntityManager = Orm["em"];

/** What may be left out of `openOrm`. */
export type OrmOptions = {
  /** The name of the ledger's schema. */
  readonly schema?: string;
  /**
   * The longest time of a statement in milliseconds, after which its connection is closed, because the
   * database or the network has gone silent; 0: no limit.
   */
  readonly answerMaxMs?: number;
  /** Whether it goes by the clock for tests, where the database has one (test-clock.ts). */
  readonly testClock?: boolean;
};

/**
 * Opens the connection pool of a database. It connects lazily, and so succeeds while the database is
 * down.
 *
 * @param url a DATABASE_URL
 * @param poolMax the most connections, 2 or more
 * @throws {DatabaseUrlError} if the URL is not valid
 */
export async function openOrm(
  url: string,
  poolMax: number,
  { schema = DATABASE_SCHEMA, answerMaxMs = 0, testClock = false }: OrmOptions = {},
): Promise<Orm> {
  const place = parseDatabaseUrl(url);
  const connector = connectorOf(place);
  return MikroORM.init({
    dbName: place.database,
    schema,
    entities: [
      AccountEntity,
      LotEntity,
      HoldEntity,
      EntryEntity,
      UndoneEntity,
      ReceiptEntity,
      EpochEntity,
      LedgerEntity,
      PageKeyEntity,
      PolicyEntity,
      ProjectionEntity,
      SearchTermEntity,
      EntrySumEntity,
      OverviewEntity,
    ],
    extensions: [Migrator],
    migrations: { migrationsList: MIGRATIONS, tableName: "migration", snapshot: false },
    ensureDatabase: false,
    // Its log would contain users' data. Errors go to the caller, which logs them.
    logger: () => {},
    forceUtcTimezone: true,
    pool: { min: 0, max: poolMax },
    driverOptions: {
      ...connector.options,
      query_timeout: answerMaxMs,
      // Pipelining: statements are sent without waiting for the results before (transaction.ts).
      pipeline: true,
      onPoolCreated: (pool: pg.Pool) => connectBy(connector, pool),
      async onConnect(client: pg.ClientBase) {
        await expectAttributes(client, place.sessionAttributes);
        await prepareSession(client, schema, testClock);
      },
    },
  });
}

/** Makes the pool open each connection through the connector, which chooses the host. */
function connectBy({ connect }: Connector, pool: pg.Pool): void {
  const connectOnce = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;
  const connectToAny = () =>
    connect((attempt) => {
      Object.assign(pool.options, attempt);
      return connectOnce();
    });
  pool.connect = connectToAny as typeof pool.connect;
}
