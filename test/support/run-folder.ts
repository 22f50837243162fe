import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// A run of the tests, of the torture or of a bench may be killed in its midst. What it started
// would run for ever, and what it made would stay. So it makes all of it in one folder, and a
// process of its own, the reaper, which sees the run end, ends the one and removes the other.

/** Names the run's folder to all that it starts: by this the reaper knows its processes. */
const RUN_FOLDER = "POINTS_RUN_FOLDER";
const REAPER = join(import.meta.dirname, "reaper.ts");

/**
 * Makes the folder of this run.
 *
 * @param prefix of its path
 * @returns how to end the run before this process ends: all that is left of it is gone then
 */
export async function openRunFolder(
  prefix: string = join(tmpdir(), "points-run-"),
): Promise<{ readonly folder: string; close(): Promise<void> }> {
  const folder = await realpath(await mkdtemp(prefix));
  // PostgreSQL may run as somebody else.
  await chmod(folder, 0o711);
  process.env[RUN_FOLDER] = folder;
  const reaper = spawn(process.execPath, [REAPER, folder], {
    env: {},
    // However this process ends, its end of the pipe is closed then. A Ctrl-C is for us alone.
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

/** Makes a folder of a test's own, below that of the run, which it is removed with at the latest. */
export function makeFolder(name: string): Promise<string> {
  return mkdtemp(join(process.env[RUN_FOLDER] ?? tmpdir(), `${name}-`));
}

/** What a process that is given its environment inherits of ours all the same. */
export function inherited(): Record<string, string> {
  const { PATH = "", HOME = "/", [RUN_FOLDER]: folder } = process.env;
  return { PATH, HOME, ...(folder !== undefined && { [RUN_FOLDER]: folder }) };
}
