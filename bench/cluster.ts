import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join, resolve } from "node:path";
import pg from "pg";
import { startEmbedded } from "../src/postgres/embedded/start.ts";
import { openOrm } from "../src/store/driver/orm.ts";
import { migrate } from "../src/store/schema/migrate.ts";
import { openRunFolder } from "../test/support/run-folder.ts";

/** A bench's own PostgreSQL, in a folder on the repository's disk. */
export type Cluster = {
  /** The postmaster, the parent of its other processes. */
  readonly pid: number;
  /** Its data folder. */
  readonly folder: string;
  readonly version: string;
  /** The settings as PostgreSQL shows them. */
  readonly settings: Readonly<Record<string, string>>;
  /** Makes a database with the schema of Points. */
  createDatabase(name: string): Promise<Database>;
  /** Makes an empty database: a server of another checkout makes its own schema. */
  createEmpty(name: string): Promise<Database>;
  /** Stops it and removes all its files. */
  remove(): Promise<void>;
};

/** A database, and a connection to query it. */
export type Database = {
  readonly url: string;
  /** Runs SQL; gives the rows as `pg` does. */
  query<Row = Record<string, string>>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Removes it, and its WAL by a checkpoint. */
  drop(): Promise<void>;
};

const GIB = 2 ** 30;

// All rows run with the same settings. docs/operations.md recommends two fifths of memory for many
// accounts instead of the usual quarter. No checkpoint happens while a row runs: it would come at a
// random time and slow that row down, since the first change of a page after it logs the whole page.
const SETTINGS = {
  shared_buffers: `${Math.floor(Math.min(0.4 * totalmem(), 16 * GIB) / 2 ** 20)}MB`,
  max_wal_size: "64GB",
  checkpoint_timeout: "1d",
  max_connections: "200",
};
const SHOWN = [
  "fsync",
  "synchronous_commit",
  "full_page_writes",
  "wal_level",
  "autovacuum",
  "huge_pages_status",
];

/**
 * Starts a PostgreSQL for a bench.
 *
 * @throws an Error if its settings are not durable
 */
export async function startCluster(): Promise<Cluster> {
  const { folder, close } = await openRunFolder(resolve(import.meta.dirname, "..", ".bench-"));
  const embedded = await startEmbedded(folder, SETTINGS);
  const connections = new Set<pg.Client>();
  const open = async (name: string): Promise<Database> => {
    const url = embedded.url.replace(/[^/]*$/, name);
    const client = new pg.Client({ connectionString: url });
    // A lost connection also fails the query.
    client.on("error", () => {});
    await client.connect();
    await client.query("set timezone = 'UTC'");
    connections.add(client);
    return {
      url,
      query: async <Row>(sql: string, values?: unknown[]) =>
        (await client.query(sql, values)).rows as Row[],
      async drop() {
        connections.delete(client);
        await client.end();
        await admin.query(`drop database ${name} with (force)`);
        await admin.query("checkpoint");
      },
    };
  };
  const admin = await open("postgres");
  const createEmpty = async (name: string) => {
    await admin.query(`create database ${name}`);
    return open(name);
  };
  const settings = await shownSettings(admin);
  if (settings["fsync"] !== "on" || settings["synchronous_commit"] !== "on") {
    throw new Error("this PostgreSQL is not durable: a bench of it would say nothing");
  }
  const [version] = await admin.query<{ server_version: string }>("show server_version");
  const pidFile = await readFile(join(folder, "postgres", "postmaster.pid"), "utf8");
  return {
    pid: Number(pidFile.split("\n", 1)[0]),
    folder,
    version: version!.server_version,
    settings,
    createEmpty,
    async createDatabase(name) {
      const database = await createEmpty(name);
      const orm = await openOrm(database.url, 2);
      await migrate(orm);
      await orm.close();
      return database;
    },
    async remove() {
      await Promise.all([...connections].map((client) => client.end().catch(() => {})));
      await embedded.stop();
      await close();
    },
  };
}

async function shownSettings({ query }: Database): Promise<Record<string, string>> {
  const rows = await query<{ name: string; value: string }>(
    "select name, current_setting(name) as value from pg_settings where name = any($1)",
    [[...SHOWN, ...Object.keys(SETTINGS)]],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}
