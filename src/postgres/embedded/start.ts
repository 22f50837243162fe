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

/** A PostgreSQL of our own, running. */
export type EmbeddedPostgres = {
  /** For `openOrm`. */
  readonly url: string;
  /** The folder of its socket, as `psql -h` takes it. */
  readonly socketFolder: string;
  /** Resolves if PostgreSQL stops without having been asked to. */
  readonly lost: Promise<void>;
  /** Stops it: running transactions are rolled back, and nothing stays behind. */
  stop(): Promise<void>;
};

const DATABASE = "points";
const START_TRIES = 50;
const START_PAUSE_MS = 200;

/**
 * Starts the PostgreSQL that npm brought, on the data in `dataDir/postgres`, made if there is
 * none. It listens on a Unix socket alone. One process at a time may own it: a second is refused,
 * while what a killed owner left running is taken over.
 *
 * @param settings of PostgreSQL, over its defaults; durability is on unless they say otherwise
 * @throws {UserError}
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

  if (!existsSync(join(cluster, "PG_VERSION"))) await initialise(run, folder, cluster, account);
  const { owner, at } = await startAndOwn(folder, () => start(run, cluster, account, settings));
  await createDatabase(at);

  const lost = Promise.withResolvers<void>();
  owner.on("end", () => lost.resolve());
  owner.on("error", () => lost.resolve());
  return {
    url: urlOf(at),
    socketFolder: at.host,
    lost: lost.promise,
    async stop() {
      // It stays ours until it has stopped: who starts meanwhile waits, and starts it anew.
      await run("pg_ctl", cluster, ["stop", "--mode=fast", "--wait", "--silent"]).catch(() => {});
      await owner.end().catch(() => {});
      await rm(at.host, { recursive: true, force: true });
    },
  };
}

/** The database in `dataDir` if it is running, without owning it, for `openOrm`. */
export async function attachEmbedded(dataDir: string): Promise<string | undefined> {
  const cluster = join(resolve(dataDir), "postgres");
  await forgetDead(cluster).catch(() => {});
  if (!existsSync(join(cluster, "postmaster.pid"))) return undefined;
  return urlOf(await addressOf(cluster));
}

function urlOf({ host, port, user }: Address): string {
  return `postgresql://${user}@${encodeURIComponent(host)}:${port}/${DATABASE}`;
}

/** Starts PostgreSQL and owns it; again, if the owner before stops it meanwhile. */
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
