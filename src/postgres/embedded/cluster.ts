import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, readlink, realpath, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../errors/user-error.ts";
import { type Account, give } from "./account.ts";
import type { Run } from "./binaries.ts";

const USER = "points";

/**
 * Creates a cluster atomically: initdb runs in a folder beside it, which is then renamed. A half-made
 * cluster is never used.
 *
 * @throws {UserError} if initdb fails
 */
export async function initialise(run: Run, cluster: string, account: Account): Promise<void> {
  const unfinished = await mkdtemp(`${cluster}-`);
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
    if (existsSync(cluster)) return; // Another process was faster.
    throw new UserError(`PostgreSQL could not make its data in ${cluster}: ${said(cause)}`, {
      cause,
    });
  }
}

type Start = {
  readonly run: Run;
  readonly cluster: string;
  readonly account: Account;
  readonly settings: Readonly<Record<string, string>>;
};

/**
 * Starts the cluster in a folder, unless it is running.
 *
 * @throws {UserError} if PostgreSQL does not start
 */
export async function start({ run, cluster, account, settings }: Start): Promise<void> {
  const isRunning = () =>
    run("pg_ctl", cluster, ["status"]).then(
      () => true,
      () => false,
    );
  await forgetDead(cluster);
  if (await isRunning()) return;
  // Directly in /tmp, because the path of a Unix socket is limited to about 100 characters.
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
    throw new UserError(`PostgreSQL did not start; ${log} says why`, { cause });
  }
}

/**
 * Removes the stale postmaster.pid and socket folder of a PostgreSQL that was killed. Another process
 * or a zombie may have its pid by now, and PostgreSQL would take that process for a running server.
 * The server is dead if no process has the cluster as its working folder; only Linux can tell.
 */
export async function forgetDead(cluster: string): Promise<void> {
  const pidFile = join(cluster, "postmaster.pid");
  const left = await readFile(pidFile, "utf8").catch(() => "");
  if (left === "" || process.platform !== "linux") return;
  const real = await realpath(cluster);
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(
    processes.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")),
  );
  if (folders.includes(real)) return;
  // Another process may have started it meanwhile.
  if ((await readFile(pidFile, "utf8").catch(() => "")) !== left) return;
  const socketFolder = left.split("\n")[4] ?? "";
  await rm(pidFile, { force: true });
  if (/^\/tmp\/points-\w+$/.test(socketFolder)) {
    await rm(socketFolder, { recursive: true, force: true });
  }
}

/** The address of a running cluster. */
export type Address = { readonly host: string; readonly port: number; readonly user: string };

/**
 * The address of the cluster in a folder, from its `postmaster.pid`.
 *
 * @throws if the cluster is not running
 */
export async function addressOf(cluster: string): Promise<Address> {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8");
  const [, , , port = "", host = ""] = text.split("\n");
  return { host, port: Number(port), user: USER };
}

/** The error text of a program or of PostgreSQL. */
export function said(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr || message || String(error)).trim();
}
