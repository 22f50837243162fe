import { execFile, spawnSync } from "node:child_process";
import { chown, cp, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { startEmbedded } from "../../src/postgres/embedded/start.ts";
import { withDatabase } from "./postgres.ts";
import { until } from "./processes.ts";
import { makeFolder } from "./run-folder.ts";

/** A test's own PostgreSQL, which listens on TCP too. */
export type Cluster = {
  /** The port on 127.0.0.1 and, if there is IPv6, ::1; also the port in its socket's name. */
  readonly port: number;
  readonly socketFolder: string;
  /** Its data folder. */
  readonly folder: string;
  /** The URL of the database `postgres`, as the superuser points, over the socket. */
  readonly url: string;
  /** Runs SQL as that user, in `postgres` or another database; gives the rows as `pg` does. */
  query(sql: string, database?: string): Promise<Record<string, unknown>[]>;
  /** Writes files to the data folder, as its own user, and reloads the configuration. */
  configure(files: Readonly<Record<string, string>>, sql?: readonly string[]): Promise<void>;
  stop(): Promise<void>;
};

type Settings = Readonly<Record<string, string>>;

/** Starts the PostgreSQL installed by npm, in a folder that may contain its data already. */
export async function startCluster(folder: string, settings: Settings = {}): Promise<Cluster> {
  const port = await freePort();
  const all = { ...(await listening(port)), ...settings };
  const { socketFolder, url, stop } = await startEmbedded(folder, all);
  return clusterOf({ port, socketFolder, url, folder: join(folder, "postgres"), stop });
}

/** Copies the data of a stopped PostgreSQL; the copy starts as a standby. */
export async function copyAsStandby(from: string, to: string): Promise<void> {
  await cp(join(from, "postgres"), join(to, "postgres"), { recursive: true });
  const { uid, gid } = await stat(join(from, "postgres"));
  spawnSync("chown", ["-R", `${uid}:${gid}`, join(to, "postgres")]);
  await writeFile(join(to, "postgres", "standby.signal"), "");
}

/** The folder of Debian's PostgreSQL 15 programs. */
const DEBIANS = "/usr/lib/postgresql/15/bin";
export const hasDebians = spawnSync(join(DEBIANS, "postgres"), ["--version"]).status === 0;

/** Starts an empty PostgreSQL 15 of Debian. */
export async function startDebians(): Promise<Cluster> {
  const port = await freePort();
  const socketFolder = await makeFolder("debian");
  const isRoot = process.getuid?.() === 0;
  const idOf = (flag: string) => Number(spawnSync("id", [flag, "postgres"]).stdout.toString());
  const user = isRoot ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  if (isRoot) await chown(socketFolder, idOf("-u"), idOf("-g"));
  const folder = join(socketFolder, "data");
  const run = (program: string, ...args: string[]) =>
    promisify(execFile)(join(DEBIANS, program), ["-D", folder, ...args], {
      cwd: socketFolder,
      ...user,
    });
  await run("initdb", "-U", "points", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync");
  const settings = {
    ...(await listening(port)),
    unix_socket_directories: socketFolder,
    fsync: "off",
  };
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  await run("pg_ctl", "start", "-w", "-s", "-l", `${folder}/log`, "-o", options.join(" "));
  const url = `postgresql://points@${encodeURIComponent(socketFolder)}:${port}/postgres`;
  const stop = async () => {
    await run("pg_ctl", "stop", "-m", "fast", "-w", "-s");
    await rm(socketFolder, { recursive: true });
  };
  return clusterOf({ port, socketFolder, url, folder, stop });
}

/** A port on which nobody listens; usually it stays free for some seconds. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Whether this machine has IPv6. */
export async function hasIpv6(): Promise<boolean> {
  const server = createServer();
  const can = await new Promise<boolean>((done) => {
    server.once("error", () => done(false));
    server.listen(0, "::1", () => done(true));
  });
  if (can) await new Promise((closed) => server.close(closed));
  return can;
}

/**
 * Has PostgreSQL read its configuration again, and waits until it has: the sessions that are open
 * obey it from their next statement on.
 * @param query asks in a new session each time, which shows what PostgreSQL last read
 */
export async function reloadConfiguration(
  query: (sql: string) => Promise<Record<string, unknown>[]>,
): Promise<void> {
  const loaded = async () => (await query("select pg_conf_load_time()::text as at"))[0]!["at"];
  const before = await loaded();
  await query("select pg_reload_conf()");
  await until("it has read its configuration again", async () => (await loaded()) !== before);
}

async function listening(port: number): Promise<Settings> {
  const addresses = (await hasIpv6()) ? "127.0.0.1,::1" : "127.0.0.1";
  return { listen_addresses: addresses, port: String(port), fsync: "off" };
}

function clusterOf(
  running: Pick<Cluster, "port" | "socketFolder" | "url" | "folder" | "stop">,
): Cluster {
  const url = withDatabase(running.url, "postgres");
  const query = async (sql: string, database = "postgres") => {
    const client = new pg.Client({ connectionString: withDatabase(url, database) });
    await client.connect();
    try {
      return (await client.query(sql)).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  };
  return {
    ...running,
    url,
    query,
    async configure(files, sql = []) {
      const { uid, gid } = await stat(running.folder);
      for (const [name, text] of Object.entries(files)) {
        const path = join(running.folder, name);
        await writeFile(path, text, { mode: 0o600 });
        await chown(path, uid, gid);
      }
      for (const statement of sql) await query(statement);
      await reloadConfiguration(query);
    },
  };
}
