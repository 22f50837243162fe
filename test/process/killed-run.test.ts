import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { exists, isAlive, postgresOf, until } from "../support/processes.ts";

const ROOT = resolve(import.meta.dirname, "../..");

// A run with a PostgreSQL of its own, and a server that has one, too.
const RUN = `
  import { spawn } from "node:child_process";
  import { join } from "node:path";
  import { startEmbedded } from "./src/postgres/embedded/start.ts";
  import { inherited, openRunFolder } from "./test/support/run-folder.ts";
  import { listeningPort } from "./test/support/listening-port.ts";
  const { folder } = await openRunFolder();
  await startEmbedded(join(folder, "own"), { fsync: "off" });
  const server = spawn(process.execPath, ["src/main.ts", "serve"], {
    env: { ...inherited(), LISTEN: "127.0.0.1:0", DATA_DIR: join(folder, "served") },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  await listeningPort(server);
  console.log(JSON.stringify({ folder, server: server.pid }));
`;

test.each<NodeJS.Signals>(["SIGKILL", "SIGTERM"])(
  "nothing is left of a run that got %s: no PostgreSQL, no server, no folder",
  async (signal) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", RUN], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const ended = once(child, "exit").then(() => Promise.reject(new Error("the run has failed")));
    const [line] = (await Promise.race([once(child.stdout, "data"), ended])) as [Buffer];
    ended.catch(() => {}); // It is to be killed.
    const { folder, server } = JSON.parse(line.toString()) as { folder: string; server: number };
    const clusters = [
      await postgresOf(join(folder, "own")),
      await postgresOf(join(folder, "served")),
    ];
    const pids = [server, ...clusters.map((cluster) => cluster!.pid)];
    for (const pid of pids) expect(await isAlive(pid)).toBe(true);

    child.kill(signal);

    const folders = [folder, ...clusters.map((cluster) => cluster!.socketFolder)];
    await until("all of it is gone", async () => {
      const left = await Promise.all([...pids.map(isAlive), ...folders.map(exists)]);
      return !left.includes(true);
    });
  },
);
