import { setTimeout as sleep } from "node:timers/promises";
import { databasePlace, parseDatabaseUrl } from "../config/database-url.ts";
import type { Config } from "../config/environment.ts";
import { unusable } from "../errors/user-error.ts";
import { openOrm, type Orm } from "../store/driver/orm.ts";
import { checkDatabase } from "../store/schema/check.ts";
import { attachEmbedded, startEmbedded } from "./embedded/start.ts";

/** The database that the configuration names, open. */
export type Database = {
  readonly orm: Orm;
  /** As `openOrm` takes it. */
  readonly url: string;
  /** For people. */
  readonly about: string;
  /** Resolves if it is gone for good. */
  readonly lost: Promise<void>;
  close(): Promise<void>;
};

/**
 * Opens the database to serve from it. A PostgreSQL of our own is started, and is ours alone.
 *
 * @param answerMaxMs as `openOrm` takes it
 * @throws {UserError} if there is none that can be used
 */
export async function openDatabase(config: Config, answerMaxMs = 0): Promise<Database> {
  const { dataDir, databaseUrl: url } = config;
  if (url !== undefined) return openAt(config, { url, answerMaxMs, writes: true });
  const embedded = await startEmbedded(dataDir);
  const orm = await openOrm(embedded.url, poolMax(config), answerMaxMs);
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
 * Opens the database beside a server that may be running on it.
 *
 * @param writes whether it is not only to be read
 * @throws {UserError} if there is none that can be used
 */
export async function openBeside(config: Config, writes: boolean): Promise<Database> {
  const url = config.databaseUrl ?? (await attachEmbedded(config.dataDir));
  return url === undefined ? openDatabase(config) : openAt(config, { url, answerMaxMs: 0, writes });
}

type Given = { readonly url: string; readonly answerMaxMs: number; readonly writes: boolean };

async function openAt(config: Config, { url, answerMaxMs, writes }: Given): Promise<Database> {
  const place = parseDatabaseUrl(url);
  await checkDatabase(place, writes).catch(unusable);
  const orm = await openOrm(url, poolMax(config), answerMaxMs);
  const about = `PostgreSQL at ${databasePlace(place)}`;
  return { orm, url, about, lost: new Promise(() => {}), close: () => closePool(orm) };
}

/**
 * Closes the connections to a database. One that somebody is just getting is never given back, and
 * would be waited for for ever: a query that nobody waits for must not keep a server from stopping.
 */
export async function closePool(orm: Orm): Promise<void> {
  await Promise.race([orm.close(), sleep(CLOSE_MAX_MS, undefined, { ref: false })]);
}

const CLOSE_MAX_MS = 5_000;

/** One connection a lane, one for the sweeper and one for the health check. */
function poolMax({ lanes }: Config): number {
  return lanes + 2;
}
