import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "./config.ts";
import { attachEmbedded, startEmbedded } from "./embedded.ts";
import { openOrm, type Orm } from "./store/orm.ts";

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
 * @throws {EmbeddedFailure}
 */
export async function openDatabase(config: Config, answerMaxMs = 0): Promise<Database> {
  if (config.databaseUrl !== undefined) return openAt(config, config.databaseUrl, answerMaxMs);
  const { dataDir } = config;
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

/** Opens the database beside a server that may be running on it. */
export async function openBeside(config: Config): Promise<Database> {
  const url = config.databaseUrl ?? (await attachEmbedded(config.dataDir));
  return url === undefined ? openDatabase(config) : openAt(config, url);
}

async function openAt(config: Config, url: string, answerMaxMs = 0): Promise<Database> {
  const orm = await openOrm(url, poolMax(config), answerMaxMs);
  const { host, pathname } = new URL(url);
  const about = `PostgreSQL at ${decodeURIComponent(host)}${pathname}`;
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
