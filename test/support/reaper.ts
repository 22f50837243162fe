import { spawnSync } from "node:child_process";
import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { endPostgres, kill, processesIn, processesWhere, until } from "./processes.ts";

// node test/support/reaper.ts FOLDER
//
// Watchdog of a run: it waits for the end of the process that started it (run-folder.ts), which
// closes its standard input. Then it kills all processes of that run, and removes its folder.

await text(process.stdin);
await reap(process.argv[2]!);

async function reap(folder: string): Promise<void> {
  const paths = await readdir(folder, { recursive: true }).catch((): string[] => []);
  const pidFiles = paths.filter((path) => path.endsWith("postmaster.pid"));
  // Servers come first: they would restart a PostgreSQL.
  for (const pid of await processesOf(folder)) kill(pid, "SIGKILL");
  for (const pidFile of pidFiles) await endPostgres(dirname(join(folder, pidFile)));
  await until("all processes of the run have ended", async () => {
    const left = [...(await processesIn(folder)), ...(await processesOf(folder))];
    for (const pid of left) kill(pid, "SIGKILL");
    return left.length === 0;
  });
  for (const mounted of await mountsIn(folder)) spawnSync("umount", [mounted]);
  await rm(folder, { recursive: true, force: true });
}

/** The mount points in a folder; Linux only. */
async function mountsIn(folder: string): Promise<string[]> {
  const mounts = await readFile("/proc/mounts", "utf8").catch(() => "");
  const paths = mounts.split("\n").map((line) => line.split(" ")[1] ?? "");
  return paths.filter((path) => path.startsWith(`${folder}/`));
}

/** The processes whose environment names a folder. */
function processesOf(folder: string): Promise<number[]> {
  return processesWhere(async (pid) => {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    return environment.split("\0").some((variable) => variable.endsWith(`=${folder}`));
  });
}
