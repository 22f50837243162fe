import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { listeningPort } from "../support/listening-port.ts";
import { PATIENCE } from "../support/patience.ts";
import { inherited } from "../support/run-folder.ts";

/** A server in a process of its own. */
export type Served = {
  readonly port: number;
  readonly baseUrl: string;
  /** What it holds in memory, in MiB. */
  memoryMib(): number;
  /** How long its JavaScript thread has computed, in milliseconds; Linux alone tells. */
  threadMs(): number;
  /** How it ended; undefined while it lives. */
  ended(): string | undefined;
  /** What it has logged. */
  log(): string;
  stop(): Promise<void>;
};

/**
 * How much more memory a server may hold after it was attacked. V8 lets garbage be while there is
 * room: the heap of 200 requests of 1 MiB grows to 600 MiB and no further. What leaks, or is kept
 * for who never reads, goes past this.
 */
export const GROWTH_MAX_MIB = 700;

/** Starts one with these variables alone, on a free port; throws if it ends before it listens. */
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
    log: () => log,
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
