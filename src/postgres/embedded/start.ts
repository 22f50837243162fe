import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { isUnavailable } from "../../errors/database-fault.ts";
import { UserError } from "../../errors/user-error.ts";
import { serverAccount } from "./account.ts";
import { programRunner, reachablePrograms } from "./binaries.ts";
import { type Address, addressOf, forgetDead, initialise, said, start } from "./cluster.ts";
import { becomeOwner } from "./owner.ts";

/** The running embedded PostgreSQL. */
export type EmbeddedPostgres = {
  /** The DATABASE_URL. */
  readonly url: string;
  /** The folder of its socket, as `psql -h` takes it. */
  readonly socketFolder: string;
  /** Resolves if PostgreSQL stops without having been asked to. */
  readonly lost: Promise<void>;
  /** A fast shutdown: running transactions are rolled back, and the socket's folder is removed. */
  stop(): Promise<void>;
};

const DATABASE = "points";
const START_TRIES = 50;
const START_PAUSE_MS = 200;

/**
 * Starts the PostgreSQL that npm installed, on the cluster in `dataDir/postgres`, which it creates if
 * there is none. The server listens on a Unix socket only. One process at a time owns it: a second is
 * refused, but a server that a killed owner left running is taken over.
 *
 * @param settings settings of PostgreSQL that override its defaults; fsync and synchronous_commit are
 * on unless given
 * @throws {UserError} if it cannot be started, or another process owns it
 */
export async function startEmbedded(
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<EmbeddedPostgres> {
  const folder = resolve(dataDir);
  const cluster = join(folder, "postgres");
  await mkdir(folder, { recursive: true });
  const account = await serverAccount(cluster);
  const programs = await reachablePrograms(account);
  const run = programRunner(programs, account);

  if (!existsSync(join(cluster, "PG_VERSION"))) await initialise(run, cluster, account);
  const { owner, at } = await startAndOwn(folder, () => start({ run, cluster, account, settings }));
  await createDatabase(at);

  const lost = Promise.withResolvers<void>();
  owner.on("end", () => lost.resolve());
  owner.on("error", () => lost.resolve());
  return {
    url: urlOf(at),
    socketFolder: at.host,
    lost: lost.promise,
    async stop() {
      // The lock is kept until PostgreSQL has stopped: a process that starts meanwhile waits for it
      // and then starts PostgreSQL again.
      await run("pg_ctl", cluster, ["stop", "--mode=fast", "--wait", "--silent"]).catch(() => {});
      await owner.end().catch(() => {});
      await rm(at.host, { recursive: true, force: true });
    },
  };
}

/** The DATABASE_URL of the database in `dataDir`, without owning it; undefined: it is not running. */
export async function attachEmbedded(dataDir: string): Promise<string | undefined> {
  const cluster = join(resolve(dataDir), "postgres");
  await forgetDead(cluster).catch(() => {});
  if (!existsSync(join(cluster, "postmaster.pid"))) return undefined;
  return urlOf(await addressOf(cluster));
}

function urlOf({ host, port, user }: Address): string {
  return `postgresql://${user}@${encodeURIComponent(host)}:${port}/${DATABASE}`;
}

/** Starts PostgreSQL and owns it. Tries again if the previous owner stops it meanwhile. */
async function startAndOwn(
  folder: string,
  startOnce: () => Promise<void>,
): Promise<{ owner: pg.Client; at: Address }> {
  for (let attempt = 1; ; attempt += 1) {
    await startOnce();
    try {
      const at = await addressOf(join(folder, "postgres"));
      return { owner: await becomeOwner(at, folder), at };
    } catch (cause) {
      if (!isUnavailable(cause)) throw cause;
      if (attempt === START_TRIES) {
        const message = `the PostgreSQL in ${folder} does not answer: ${said(cause)}`;
        throw new UserError(message, { cause });
      }
      await sleep(START_PAUSE_MS);
    }
  }
}

async function createDatabase(at: Address): Promise<void> {
  const client = new pg.Client({ ...at, database: "postgres" });
  await client.connect();
  const { rowCount } = await client.query("select from pg_database where datname = $1", [DATABASE]);
  if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  await client.end();
}
