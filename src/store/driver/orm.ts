import { Migrator } from "@mikro-orm/migrations";
import { MikroORM } from "@mikro-orm/postgresql";
import type pg from "pg";
import { parseDatabaseUrl } from "../../config/database-url.ts";
import { MIGRATIONS } from "../schema/migrations/list.ts";
import { type Connector, connectorOf } from "./connect.ts";
import {
  AccountEntity,
  EntryEntity,
  HoldEntity,
  LotEntity,
  PageKeyEntity,
  ReceiptEntity,
  RefundEntity,
} from "./entities.ts";
import { expectAttributes, prepareSession } from "./session.ts";

/** The ORM, which owns the pool of connections to one database. */
export type Orm = MikroORM;

/** A unit of work: `orm.em.fork()`, thrown away after its transaction. */
export type EntityManager = Orm["em"];

/**
 * Connects to a database. Nothing is read or written yet, so that it succeeds while the database
 * is away.
 *
 * @param url a DATABASE_URL
 * @param poolMax how many connections at most, 2 or more
 * @param answerMaxMs a connection on which a statement takes longer is given up, since the database
 * or the network to it has gone silent; 0: never
 * @throws {DatabaseUrlError}
 */
export async function openOrm(url: string, poolMax: number, answerMaxMs = 0): Promise<Orm> {
  const place = parseDatabaseUrl(url);
  const connector = connectorOf(place);
  return MikroORM.init({
    dbName: place.database,
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
      ...connector.options,
      query_timeout: answerMaxMs,
      // Statements go out without waiting for those before them: see transaction.ts.
      pipeline: true,
      onPoolCreated: (pool: pg.Pool) => connectBy(connector, pool),
      async onConnect(client: pg.ClientBase) {
        await expectAttributes(client, place.sessionAttributes);
        await prepareSession(client);
      },
    },
  });
}

/** Has the pool ask the connector where to connect, whenever it makes a connection. */
function connectBy({ connect }: Connector, pool: pg.Pool): void {
  const connectOnce = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;
  const connectToAny = () =>
    connect((attempt) => {
      Object.assign(pool.options, attempt);
      return connectOnce();
    });
  pool.connect = connectToAny as typeof pool.connect;
}
