import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { listeningPort } from "../../support/listening-port.ts";
import { inherited } from "../../support/run-folder.ts";
import type { Target } from "./targets.ts";

/** A supervised server process: it is restarted when it is killed. */
export type Server = {
  /** Sends a signal to the current process. */
  signal(name: NodeJS.Signals): void;
  /** Kills it (SIGKILL) and starts a new one. */
  kill(): Promise<Restart>;
  /** Stops it gracefully (SIGTERM) and starts a new one. */
  restart(): Promise<Restart>;
  stop(): Promise<void>;
};

/** Milliseconds of `performance.now()`. */
export type Restart = { readonly killed: number; readonly listened: number };

const ROOT = resolve(import.meta.dirname, "../../..");
const RETRY_MS = 100;
const TRIES_MAX = 50;

/**
 * Starts a server and aims clients at it.
 *
 * @param targets are aimed at the server's address after each start
 * @param logFile receives its standard error
 */
export async function startServer(
  environment: Readonly<Record<string, string>>,
  targets: readonly Target[],
  logFile: string,
): Promise<Server> {
  let child: ChildProcess | undefined;
  const aim = (url: string | undefined) => targets.forEach((target) => target.aim(url));
  const log = createWriteStream(logFile, { flags: "a" });

  /** Restarts the process until it listens: it exits while its database is down. */
  async function start(): Promise<void> {
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      const next = spawn(process.execPath, ["src/main.ts", "serve"], {
        cwd: ROOT,
        env: { ...inherited(), ...environment },
        stdio: ["ignore", "pipe", "pipe"],
        // Only this process gets the Ctrl-C; it stops the servers itself.
        detached: true,
      });
      next.stderr.pipe(log, { end: false });
      child = next;
      const port = await listeningPort(next);
      if (port !== undefined) {
        aim(`http://127.0.0.1:${port}`);
        return;
      }
      await sleep(RETRY_MS);
    }
    throw new Error(`the server did not start; ${logFile} says why`);
  }

  async function end(name: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(name);
    await exited;
  }

  async function again(name: NodeJS.Signals): Promise<Restart> {
    const killed = performance.now();
    aim(undefined);
    await end(name);
    await start();
    return { killed, listened: performance.now() };
  }

  await start();
  return {
    signal: (name) => void child?.kill(name),
    kill: () => again("SIGKILL"),
    restart: () => again("SIGTERM"),
    async stop() {
      aim(undefined);
      await end("SIGTERM");
      log.end();
    },
  };
}
