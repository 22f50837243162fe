import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Cleanup after a crash. A run of the tests, the torture or a bench may be killed: its processes
// would run for ever, and its files would stay. So the run makes all files in one folder, and a
// separate process, the reaper, kills its processes and removes the folder when the run ends.

/** Names the run's folder to its child processes, by which the reaper recognizes them. */
const RUN_FOLDER = "POINTS_RUN_FOLDER";
const REAPER = join(import.meta.dirname, "reaper.ts");

/**
 * Makes the folder of this run.
 *
 * @param prefix the beginning of its path
 * @returns a function that ends the run early, and resolves when everything is cleaned up
 */
export async function openRunFolder(
  prefix: string = join(tmpdir(), "points-run-"),
): Promise<{ readonly folder: string; close(): Promise<void> }> {
  const folder = await realpath(await mkdtemp(prefix));
  // PostgreSQL may run as another user.
  await chmod(folder, 0o711);
  process.env[RUN_FOLDER] = folder;
  const reaper = spawn(process.execPath, [REAPER, folder], {
    env: {},
    // The pipe closes however this process ends. Only this process gets the Ctrl-C.
    stdio: ["pipe", "ignore", "inherit"],
    detached: true,
  });
  const ended = once(reaper, "exit");
  reaper.unref();
  (reaper.stdin as unknown as { unref(): void }).unref();
  return {
    folder,
    async close() {
      reaper.ref();
      reaper.stdin.end();
      await ended;
    },
  };
}

/** Makes a test's own folder in the run's folder, with which it is removed at the latest. */
export function makeFolder(name: string): Promise<string> {
  return mkdtemp(join(process.env[RUN_FOLDER] ?? tmpdir(), `${name}-`));
}

/** The variables of this process that child processes with their own environment still inherit. */
export function inherited(): Record<string, string> {
  const { PATH = "", HOME = "/", [RUN_FOLDER]: folder } = process.env;
  if (folder === undefined) return { PATH, HOME };
  // Of the run's many processes only the first strips the types of the sources.
  const NODE_COMPILE_CACHE = join(folder, "compile-cache");
  return { PATH, HOME, [RUN_FOLDER]: folder, NODE_COMPILE_CACHE };
}
