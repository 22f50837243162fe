import { type ChildProcess, spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";

export type Command = {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** What is longer under way is ended, with all that it started. */
  readonly timeoutMs: number;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
};

export type Ran = {
  /** What it ended with; ENOENT if there is no such program, TIMEOUT if it was ended. */
  readonly code: number | "ENOENT" | "TIMEOUT";
  /** Without colours. */
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs a program in a process group of its own, with nothing on its standard input. */
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
    // The group: a build tool's own children would live on, and hold its output open.
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

/** What a process ended with, 1 for a signal. */
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
