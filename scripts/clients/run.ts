import { type ChildProcess, spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";

export type Command = {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The time after which it is killed, with all processes that it started. */
  readonly timeoutMs: number;
  /** Added to those of this process. */
  readonly env?: Readonly<Record<string, string>>;
};

export type Ran = {
  /** The exit code. ENOENT: there is no such program. TIMEOUT: it was killed. */
  readonly code: number | "ENOENT" | "TIMEOUT";
  /** Without colours, as `stderr`. */
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs a program in a process group of its own, with an empty standard input. */
export async function run({ program, args, cwd, timeoutMs, env }: Command): Promise<Ran> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    // The whole group: children of a build tool would live on, and hold its output open.
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, timeoutMs);
  const code = await ended(child);
  clearTimeout(timer);
  return {
    code: late ? "TIMEOUT" : code,
    stdout: stripVTControlCharacters(stdout),
    stderr: stripVTControlCharacters(stderr),
  };
}

/** The exit code of a process, 1 for a signal. */
export function ended(child: ChildProcess): Promise<number | "ENOENT"> {
  return new Promise((done, failed) => {
    if (child.exitCode !== null || child.signalCode !== null) return done(child.exitCode ?? 1);
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") done("ENOENT");
      else failed(error);
    });
    child.once("close", (code) => done(code ?? 1));
  });
}
