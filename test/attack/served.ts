import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { listeningPort } from "../support/listening-port.ts";
import { PATIENCE, withoutAway } from "../support/patience.ts";
import { inherited } from "../support/run-folder.ts";

/** A server in its own process. */
export type Served = {
  readonly port: number;
  readonly baseUrl: string;
  /** Its memory (RSS) in MiB. */
  memoryMib(): number;
  /** The CPU time of its JavaScript thread in milliseconds; Linux only. */
  threadMs(): number;
  /** How it exited; undefined while it runs. */
  ended(): string | undefined;
  /** Its log so far. */
  log(): string;
  stop(): Promise<void>;
};

/**
 * The memory growth that a server may show after an attack. V8 keeps garbage while there is room:
 * the heap of 200 requests of 1 MiB grows to 600 MiB and no further. Leaks, and buffers for clients
 * that never read, exceed this.
 */
export const GROWTH_MAX_MIB = 700;

/**
 * Starts a server on a free port, with these environment variables only.
 *
 * @throws an Error if it exits before it listens
 */
export async function serveApart(environment: Readonly<Record<string, string>>): Promise<Served> {
  const child = spawn(process.execPath, ["src/main.ts", "serve"], {
    cwd: ROOT,
    env: { ...inherited(), LISTEN: "127.0.0.1:0", ...PATIENCE, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const port = await listeningPort(child);
  if (port === undefined) throw new Error(`the server ended before it listened:\n${log}`);
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  return {
    port,
    baseUrl: `http://127.0.0.1:${port}`,
    memoryMib() {
      return memoryKib(child.pid!) / 1024;
    },
    threadMs() {
      const [nanos] = readFileSync(`/proc/${child.pid}/schedstat`, "utf8").split(" ");
      return Number(nanos) / 1e6;
    },
    ended: () => (isOver() ? `${child.exitCode ?? child.signalCode}\n${log}` : undefined),
    log: () => withoutAway(log),
    async stop() {
      if (isOver()) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

function memoryKib(pid: number): number {
  if (process.platform !== "linux") {
    return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)]));
  }
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib);
}

const ROOT = resolve(import.meta.dirname, "../..");
