import { execFileSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";

/** On what results were measured. */
export type Machine = {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
  /** Of the program that calls the SQL function. */
  readonly functionCaller: string;
  /** The commit of Points, with "+" if the work tree differed from it. */
  readonly points: string;
  readonly settings: Readonly<Record<string, string>>;
};

/** Looks at this machine. */
export function lookAtMachine(
  postgres: string,
  settings: Machine["settings"],
  functionCaller: string,
): Machine {
  const all = cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    cpu: all[0]?.model ?? "unknown",
    cores: all.length,
    memoryGib: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: `${type()} ${release()}`,
    node: process.version,
    postgres,
    functionCaller,
    points: commit(),
    settings,
  };
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", join(import.meta.dirname, ".."), ...args]).toString().trim();
    const changed = git("status", "--porcelain", "--", "src", "gen", "bench/*.ts", "bench/*/*.ts");
    return git("rev-parse", "--short=12", "HEAD") + (changed === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}
