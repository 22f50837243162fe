import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, readlink, realpath, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../errors/user-error.ts";
import { type Account, give } from "./account.ts";
import type { Run } from "./binaries.ts";

const USER = "points";

/** Makes a new cluster beside its place and moves it there whole: a half-made one is never used. */
export async function initialise(
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
    if (existsSync(cluster)) return; // Another process was faster.
    throw new UserError(`PostgreSQL could not make its data in ${cluster}: ${said(cause)}`, {
      cause,
    });
  }
}

/** Starts the cluster in a folder, if it does not run. */
export async function start(
  run: Run,
  cluster: string,
  account: Account,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const isRunning = () =>
    run("pg_ctl", cluster, ["status"]).then(
      () => true,
      () => false,
    );
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
    throw new UserError(`PostgreSQL did not start; ${log} says why`, { cause });
  }
}

/**
 * Removes what a PostgreSQL that was killed left of itself. Its number may be another process's by
 * now, or a zombie's, and PostgreSQL would take that one for itself. It is dead if no process
 * works in its folder; only Linux says so.
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
  // Somebody else may have started it since.
  if ((await readFile(pidFile, "utf8").catch(() => "")) !== left) return;
  const socketFolder = left.split("\n")[4] ?? "";
  await rm(pidFile, { force: true });
  if (/^\/tmp\/points-\w+$/.test(socketFolder)) {
    await rm(socketFolder, { recursive: true, force: true });
  }
}

/** Where a running cluster listens. */
export type Address = { readonly host: string; readonly port: number; readonly user: string };

/**
 * Where the cluster in a folder listens, as `postmaster.pid` says.
 *
 * @throws if it does not run
 */
export async function addressOf(cluster: string): Promise<Address> {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8");
  const [, , , port = "", host = ""] = text.split("\n");
  return { host, port: Number(port), user: USER };
}

/** What a program or PostgreSQL said of its failure. */
export function said(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr || message || String(error)).trim();
}
