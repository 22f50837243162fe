import { execFile, spawnSync } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeFolder } from "../../test/support/run-folder.ts";
import type { Database } from "../cluster.ts";
import type { Spread } from "../load/job.ts";
import { latencyOf, type Latency } from "../load/samples.ts";

/** The results of a pgbench run. */
export type PgbenchResult = {
  readonly transactions: number;
  readonly perSecond: number;
  readonly latency: Latency;
};

/** Whether pgbench is on the PATH. */
export function hasPgbench(): boolean {
  return spawnSync("pgbench", ["--version"]).status === 0;
}

/**
 * Calls the SQL function by pgbench, as a prepared statement, once a transaction.
 *
 * @throws an Error if pgbench or a transaction fails
 */
export async function runPgbench(
  { url }: Database,
  spread: Spread,
  clients: number,
  seconds: number,
): Promise<PgbenchResult> {
  const folder = await makeFolder("pgbench");
  try {
    const script = join(folder, "consume.sql");
    await writeFile(script, scriptFor(spread));
    const { host, port, user, database } = addressIn(url);
    const threads = String(Math.min(clients, 2));
    const args = [
      ["-h", host, "-p", port, "-U", user, "-M", "prepared", "-n", "-f", script],
      ["-c", String(clients), "-j", threads, "-T", String(seconds)],
      ["-l", "--log-prefix", join(folder, "log"), database],
    ].flat();
    const { stdout } = await promisify(execFile)("pgbench", args);
    return { ...readSummary(stdout), latency: latencyOf(await readLogs(folder)) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The script. Request ids are 63 random bits. pgbench's Zipf parameter must be above 1. */
function scriptFor({ prefix, accounts, by }: Spread): string {
  const draw = by === "evenly" ? `random(1, ${accounts})` : `random_zipfian(1, ${accounts}, 1.001)`;
  return `\\set user ${draw}
\\set request random(1, 9223372036854775806)
select bench.consume('${prefix}' || lpad((:user)::text, 7, '0'), 'b' || (:request)::text, 1);
`;
}

function addressIn(url: string) {
  const { hostname, port, username, pathname } = new URL(url);
  return {
    host: decodeURIComponent(hostname),
    port,
    user: username,
    database: pathname.slice(1),
  };
}

function readSummary(stdout: string) {
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  const transactions = number(/^number of transactions actually processed: (\d+)/m);
  const perSecond = number(/^tps = ([\d.]+)/m);
  const failed = number(/^number of failed transactions: (\d+)/m);
  if (Number.isNaN(transactions) || Number.isNaN(perSecond) || failed > 0) {
    throw new Error(`pgbench did not do what it was asked to:\n${stdout}`);
  }
  return { transactions, perSecond };
}

/** Milliseconds of each transaction, ascending: the third column of the log, in microseconds. */
async function readLogs(folder: string): Promise<Float64Array> {
  const names = (await readdir(folder)).filter((name) => name.startsWith("log."));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "latin1")));
  const lines = texts.flatMap((text) => text.trimEnd().split("\n"));
  return Float64Array.from(lines, (line) => Number(line.split(" ")[2]) / 1000).toSorted();
}
