import { setTimeout as sleep } from "node:timers/promises";
import { databasePlace, parseDatabaseUrl } from "../config/database-url.ts";
import type { Config } from "../config/environment.ts";
import { unusable } from "../errors/user-error.ts";
import { openOrm, type Orm } from "../store/driver/orm.ts";
import { checkDatabase } from "../store/schema/check.ts";
import { attachEmbedded, startEmbedded } from "./embedded/start.ts";

/** An open database: the configured one, or the embedded PostgreSQL. */
export type Database = {
  readonly orm: Orm;
  /** The DATABASE_URL. */
  readonly url: string;
  /** A description for people. */
  readonly about: string;
  /** Resolves if the database is gone for good. */
  readonly lost: Promise<void>;
  close(): Promise<void>;
};

/**
 * Opens the database for a server. Without a DATABASE_URL it starts the embedded PostgreSQL, which
 * then belongs to this process alone.
 *
 * @param answerMaxMs as in `openOrm`
 * @throws {UserError} if there is no database that can be used
 */
export async function openDatabase(config: Config, answerMaxMs = 0): Promise<Database> {
  const { dataDir, databaseUrl: url, databaseSchema: schema, testClock } = config;
  if (url !== undefined) return openAt(config, { url, answerMaxMs, writes: true });
  const embedded = await startEmbedded(dataDir);
  const orm = await openOrm(embedded.url, poolMax(config), { schema, answerMaxMs, testClock });
  return {
    orm,
    url: embedded.url,
    about: `its own PostgreSQL in ${dataDir} (psql -h ${embedded.socketFolder} -U points)`,
    lost: embedded.lost,
    async close() {
      await closePool(orm);
      await embedded.stop();
    },
  };
}

/**
 * Opens the database for a command, beside a server that may be running on it.
 *
 * @param writes whether the database is to be written too
 * @throws {UserError} if there is no database that can be used
 */
export async function openBeside(config: Config, writes: boolean): Promise<Database> {
  const url = config.databaseUrl ?? (await attachEmbedded(config.dataDir));
  return url === undefined ? openDatabase(config) : openAt(config, { url, answerMaxMs: 0, writes });
}

type Given = { readonly url: string; readonly answerMaxMs: number; readonly writes: boolean };

async function openAt(config: Config, { url, answerMaxMs, writes }: Given): Promise<Database> {
  const place = parseDatabaseUrl(url);
  await checkDatabase(place, config.databaseSchema, writes).catch(unusable);
  const orm = await openOrm(url, poolMax(config), {
    schema: config.databaseSchema,
    answerMaxMs,
    testClock: config.testClock,
  });
  const about = `PostgreSQL at ${databasePlace(place)}`;
  return { orm, url, about, lost: new Promise(() => {}), close: () => closePool(orm) };
}

/**
 * Closes the connection pool, within 5 s. A connection that is being opened meanwhile never returns to
 * the pool, which would wait for it for ever; a query that nobody waits for must not prevent a
 * graceful shutdown.
 */
export async function closePool(orm: Orm): Promise<void> {
  await Promise.race([orm.close(), sleep(CLOSE_MAX_MS, undefined, { ref: false })]);
}

const CLOSE_MAX_MS = 5_000;

/** One connection per lane, one each for the sweeper, the projector and the health check. */
function poolMax({ lanes }: Config): number {
  return lanes + 3;
}
