import { execFileSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { hasPgbench } from "./baselines/pgbench.ts";
import type { Cluster } from "./cluster.ts";
import { startCommand } from "./servers.ts";

/** The machine and the versions behind results. */
export type Machine = {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
  /** The program that calls the SQL function of the baseline. */
  readonly functionCaller: string;
  /** The commit of Points, with "+" if the work tree was dirty. */
  readonly commit: string;
  /** The command that started Points. */
  readonly command: string;
  /** PostgreSQL's settings, as it shows them. */
  readonly settings: Readonly<Record<string, string>>;
};

/** Describes this machine. */
export async function lookAtMachine({ version, settings }: Cluster): Promise<Machine> {
  const all = cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    cpu: all[0]?.model ?? "unknown",
    cores: all.length,
    memoryGib: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: `${type()} ${release()}`,
    node: process.version,
    postgres: version,
    functionCaller: hasPgbench() ? outputOf("pgbench", "--version") : "pg, the driver for Node",
    commit: commit(),
    command: await startCommand(),
    settings,
  };
}

function commit(): string {
  const folder = join(import.meta.dirname, "..");
  const code = ["src", "gen", "package.json", "bench/*.ts", "bench/*/*.ts"];
  try {
    const changed = outputOf("git", "-C", folder, "status", "--porcelain", "--", ...code);
    const name = outputOf("git", "-C", folder, "rev-parse", "--short=12", "HEAD");
    return changed === "" ? name : `${name}+`;
  } catch {
    return "unknown"; // Not a git clone, or git is not installed.
  }
}

function outputOf(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args).toString().trim();
}
