import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, readlink, realpath, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { PATIENCE, WAIT_MS } from "./patience.ts";
import { inherited, makeFolder } from "./run-folder.ts";

/** A process of Points that a test started; it ends with the test, with all its children. */
export type PointsProcess = {
  readonly child: ChildProcess;
  readonly exit: Promise<Exit>;
  /** Its output so far. */
  stdout(): string;
  stderr(): string;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Exit>;
};

export type Exit = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs `node src/main.ts` with these arguments, and with these environment variables only. */
export function runPoints(
  environment: Readonly<Record<string, string>>,
  args: readonly string[] = ["serve"],
): PointsProcess {
  return runCommand([process.execPath, "src/main.ts", ...args], environment);
}

/** Runs a command that is Points or execs it. */
function runCommand(
  [program, ...args]: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>>,
): PointsProcess {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...inherited(), LISTEN: "127.0.0.1:0", ...PATIENCE, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    // Its own process group, as in a terminal.
    detached: true,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const exit = new Promise<Exit>((done, failed) => {
    child.once("error", failed);
    child.once("close", (code, signal) => done({ code, signal, stdout, stderr }));
  });
  onTestFinished(async () => {
    // Kills the whole group: npm would leave its children running.
    kill(-child.pid!, "SIGKILL");
    await exit;
  });
  return {
    child,
    exit,
    stdout: () => stdout,
    stderr: () => stderr,
    end(signal) {
      child.kill(signal);
      return exit;
    },
  };
}

/** A server that listens, as it has printed. */
export type RunningPoints = PointsProcess & { readonly port: number; readonly baseUrl: string };

/** Starts a server, and waits until it listens. */
export async function startPoints(
  environment: Readonly<Record<string, string>>,
  command: readonly [string, ...string[]] = [process.execPath, "src/main.ts", "serve"],
): Promise<RunningPoints> {
  const points = runCommand(command, environment);
  const ended = points.exit.then(({ code, stderr }) => {
    throw new Error(`the server ended with ${code} before it listened:\n${stderr}`);
  });
  ended.catch(() => {});
  for (;;) {
    const [, port] = /listens on \S+:(\d+) .*\nStop: /s.exec(points.stdout()) ?? [];
    if (port !== undefined) {
      const [, socketFolder] = /psql -h (\/tmp\/points-\S+) /.exec(points.stdout()) ?? [];
      if (socketFolder !== undefined) {
        onTestFinished(() => rm(socketFolder, { recursive: true, force: true }));
      }
      return { ...points, port: Number(port), baseUrl: `http://127.0.0.1:${port}` };
    }
    await Promise.race([ended, sleep(10)]);
  }
}

/** A folder that no other user may enter. The end of the test ends each PostgreSQL in it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await makeFolder("process"));
  onTestFinished(async () => {
    const clusters = (await readdir(folder, { recursive: true }))
      .filter((path) => path.endsWith("postmaster.pid"))
      .map((path) => dirname(join(folder, path)));
    for (const cluster of clusters) await endPostgres(cluster);
    for (const pid of await processesIn(folder)) kill(pid, "SIGKILL");
    await until("the folder's processes have ended", async () => {
      return (await processesIn(folder)).length === 0;
    });
    await rm(folder, { recursive: true });
  });
  return folder;
}

/** The PostgreSQL that runs in a data folder, as `postmaster.pid` describes it, if one does. */
export async function postgresOf(
  dataDir: string,
): Promise<{ pid: number; socketFolder: string; port: number } | undefined> {
  return readPidFile(join(dataDir, "postgres"));
}

/** The processes whose working folder is this one or below it; Linux only. */
export function processesIn(folder: string): Promise<number[]> {
  return processesWhere(async (pid) => {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    return `${cwd}/`.startsWith(`${folder}/`);
  });
}

/** The processes that fit; Linux only. */
export async function processesWhere(fits: (pid: string) => Promise<boolean>): Promise<number[]> {
  const names = await readdir("/proc").catch((): string[] => []);
  const pids = names.filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(fits));
  return pids.filter((_, index) => found[index]).map(Number);
}

/** Whether a process with this pid runs; a zombie does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return kill(pid, 0) && !/^State:\s+Z/m.test(status);
}

/** Whether a file or a folder exists. */
export function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Polls until a condition holds, for as long as a slow machine may take. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + WAIT_MS; !(await isSo());) {
    if (Date.now() > deadline) throw new Error(`it never came to pass that ${what}`);
    await sleep(20);
  }
}

/** Connections to one address, closed at the end of the test. */
export function sessionsTo(baseUrl: string): Http2SessionManager {
  const sessions = new Http2SessionManager(baseUrl);
  onTestFinished(() => sessions.abort());
  return sessions;
}

const ROOT = resolve(import.meta.dirname, "../..");

/** Stops the PostgreSQL in a folder, if one runs there, and removes its socket's folder. */
export async function endPostgres(cluster: string): Promise<void> {
  const postgres = await readPidFile(cluster);
  if (postgres === undefined) return;
  const { pid, socketFolder } = postgres;
  // The pid may have been reused. SIGQUIT is an immediate shutdown, which frees shared memory.
  if ((await processesIn(cluster)).includes(pid)) {
    kill(pid, "SIGQUIT");
    await until("PostgreSQL has ended", async () => !(await isAlive(pid)));
  }
  if (socketFolder.startsWith("/tmp/points-")) {
    await rm(socketFolder, { recursive: true, force: true });
  }
}

async function readPidFile(cluster: string) {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "");
  const [pid, , , port, socketFolder] = text.split("\n");
  if (!pid || !port || !socketFolder) return undefined;
  return { pid: Number(pid), socketFolder, port: Number(port) };
}

/** Sends a signal, and tells whether the process exists. */
export function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    // EPERM: it is alive, but another user's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
