import { execFile } from "node:child_process";
import { chown, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { type Postgres, startPostgres } from "../torture/deployment/postgres.ts";
import { startProxy } from "../torture/deployment/proxy.ts";
import { reloadConfiguration } from "./cluster.ts";
import { until } from "./processes.ts";

/** A primary with a synchronous standby that tests can partition and promote (failover). */
export type Replicated = Postgres & {
  /** Partitions the standby: from now on every COMMIT on the primary waits. */
  part(): void;
  /** Reconnects the standby, or makes a new one; resolves when it has caught up. */
  rejoin(): Promise<void>;
  /** Kills the primary for good, and promotes the standby, which has no standby itself yet. */
  promote(): Promise<void>;
  /** The transactions whose COMMIT waits for the standby, each by a unique name. */
  waiting(): Promise<string[]>;
  /** Ends the wait of all of them, as an operator might. */
  endWaiting(how: "pg_cancel_backend" | "pg_terminate_backend"): Promise<void>;
  /** Runs SQL on the primary, without waiting for the standby. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** The path of the standby's socket. */
  standbySocket(): string | undefined;
  /** Runs SQL on the standby, which lags a moment behind. */
  queryStandby(sql: string): Promise<Record<string, unknown>[]>;
};

type Node = { readonly folder: string; readonly postgres: Postgres };

const NAME = "standby";
const WAITING = "from pg_stat_activity where wait_event = 'SyncRep'";

/**
 * Starts a primary and its standby in a folder.
 *
 * @param given settings of both
 */
export async function startReplicated(
  folder: string,
  given: Readonly<Record<string, string>> = {},
): Promise<Replicated> {
  let isParted = false;
  let made = 0;
  let primary: Node | undefined;
  let standby: Node | undefined;
  // The standby connects to the current primary through this proxy.
  const link = await startProxy(() => {
    const path = isParted ? undefined : primary?.postgres.socketPath();
    return path === undefined ? undefined : { path };
  });
  const plain = "sslmode=disable gssencmode=disable";
  const address = `host=127.0.0.1 port=${link.port} ${plain} user=points application_name=${NAME}`;
  const settings = {
    ...given,
    primary_conninfo: `'${address}'`,
    wal_retrieve_retry_interval: "50ms",
    // A new standby needs the WAL since the start of its copy.
    wal_keep_size: "1GB",
  };

  async function startIn(place: string): Promise<Node> {
    return { folder: place, postgres: await startPostgres(place, settings) };
  }

  const newFolder = () => join(folder, `${(made += 1)}`);
  const query = (sql: string) => ask(primary!.postgres.url(), sql);

  async function caughtUp(): Promise<void> {
    const [row] = await query("select pg_current_wal_flush_lsn()::text as lsn");
    const sql = `select from pg_stat_replication
      where application_name = '${NAME}' and flush_lsn >= '${String(row!["lsn"])}'`;
    await until("the standby has caught up", async () => (await query(sql)).length > 0);
  }

  async function addStandby(): Promise<void> {
    const copy = newFolder();
    await copyCluster(primary!, copy);
    standby = await startIn(copy);
  }

  async function stop(): Promise<void> {
    // The standby stops first: a primary waits for it at its own stop.
    await standby?.postgres.stop();
    await primary?.postgres.stop();
    await link.close();
  }

  try {
    primary = await startIn(newFolder());
    await query(`alter system set synchronous_standby_names = '${NAME}'`);
    await reloadConfiguration(query);
    await addStandby();
    await caughtUp();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    socketPath: () => primary!.postgres.socketPath(),
    url: () => primary!.postgres.url(),
    endAndStart: (name, disk) => primary!.postgres.endAndStart(name, disk),
    kill: () => primary!.postgres.kill(),
    query,
    standbySocket: () => standby?.postgres.socketPath(),
    queryStandby: (sql) => ask(standby!.postgres.url(), sql),
    part() {
      isParted = true;
      link.reset();
    },
    async rejoin() {
      isParted = false;
      if (standby === undefined) await addStandby();
      await caughtUp();
    },
    async promote() {
      const old = primary!;
      await old.postgres.kill();
      await ask(standby!.postgres.url(), "select pg_promote()");
      [primary, standby, isParted] = [standby, undefined, false];
      await rm(old.folder, { recursive: true });
    },
    async waiting() {
      const rows = await query(`select concat(pid, ' ', xact_start) as name ${WAITING}`);
      return rows.map(({ name }) => String(name));
    },
    async endWaiting(how) {
      await query(`select ${how}(pid) ${WAITING}`);
    },
    stop,
  };
}

/** Copies the data of a running PostgreSQL for a standby (online base backup). */
async function copyCluster({ folder, postgres }: Node, copy: string): Promise<void> {
  const client = await connect(postgres.url());
  try {
    // The session must stay open during the backup.
    await client.query("select pg_backup_start('standby', true)");
    const to = join(copy, "postgres");
    await mkdir(copy, { recursive: true });
    await copyFiles(join(folder, "postgres"), to);
    const { rows } = await client.query("select labelfile from pg_backup_stop(false)");
    const { labelfile } = rows[0] as { labelfile: string };
    const log = join(to, "pg_wal");
    for (const name of await readdir(log)) await rm(join(log, name), { recursive: true });
    for (const name of ["postmaster.pid", "postmaster.opts", "server.log"]) {
      await rm(join(to, name), { force: true });
    }
    await addFile(join(to, "backup_label"), labelfile);
    await addFile(join(to, "standby.signal"), "");
  } finally {
    await client.end();
  }
}

/** Copies files. Some vanish meanwhile; replaying the WAL makes up for them. */
async function copyFiles(from: string, to: string): Promise<void> {
  const env = { ...process.env, LC_ALL: "C" };
  const copying = promisify(execFile)("cp", ["-a", from, to], { env });
  await copying.catch((error: { stderr: string }) => {
    const complaints = error.stderr.trim().split("\n");
    const isGone = (line: string) => line.endsWith("No such file or directory");
    if (!complaints.every(isGone)) throw error;
  });
}

async function addFile(path: string, text: string): Promise<void> {
  const { uid, gid } = await stat(dirname(path));
  await writeFile(path, text);
  await chown(path, uid, gid);
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = await connect(url);
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const options = "-c synchronous_commit=local";
  const client = new pg.Client({ connectionString, options, connectionTimeoutMillis: 5_000 });
  client.on("error", () => {});
  await client.connect();
  return client;
}
