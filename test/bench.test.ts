import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { CREATE_CONSUME } from "../bench/baselines/function.ts";
import { check, mark } from "../bench/check.ts";
import { type Job, runLoad } from "../bench/load/job.ts";
import { median } from "../bench/results.ts";
import { seed } from "../bench/seed.ts";
import type { Growth, Results } from "../bench/results.ts";
import { auditDatabase } from "./support/audit.ts";
import { testDatabase } from "./support/database.ts";

// The bench runs as a person runs it, on few accounts and for a blink: what is tried is that it
// works and that it finds what is wrong, not how fast anything is.

const ROOT = join(import.meta.dirname, "..");

const ROWS = [
  "noop/evenly/64",
  "consume/evenly/64",
  "function/one/8",
  "orm/evenly/64",
  "batch/one/4",
  "stream/zipf",
  "mix/zipf",
  "workers-2/one",
];

describe("npm run bench", () => {
  test("runs rows of every kind, and goes on where it was interrupted", async () => {
    const folder = await temporaryFolder();
    const short = ["--accounts", "300", "--seconds", "0.3", "--rounds", "1"];
    const args = [...short, "--rows", ROWS.join(","), "--out", folder];
    const first = startBench(args);
    await first.printed(/^consume\//m);
    first.child.kill("SIGINT");
    expect(await first.exit).toMatchObject({ code: 1 });

    const saved = await resultsIn(folder);
    expect(saved.rows.map(({ name }) => name)).toEqual(["noop/evenly/64", "consume/evenly/64"]);
    const second = await startBench([...args, "--resume"]).exit;
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.stdout).not.toMatch(/^noop\//m);

    const results = await resultsIn(folder);
    expect(results.rows.slice(0, 2)).toEqual(saved.rows);
    expect(results.rows).toHaveLength(ROWS.length);
    for (const { name, median: figures, wrong } of results.rows) {
      expect({ name, wrong }).toEqual({ name, wrong: [] });
      expect(figures.operationsPerSecond).toBeGreaterThan(0);
      expect(figures.p99Ms).toBeGreaterThanOrEqual(figures.p50Ms);
    }
    const report = await readFile(join(folder, "results.md"), "utf8");
    expect(report).toContain(results.machine.cpu);
    expect(report).toMatch(/^\| Consume on one account : evenly +\| at least 1.2 \|/m);
    expect(report).toMatch(/^\| Consume, WORKERS=2 \| one +\|/m);
    const plots = ["p99-evenly.svg", "p99-one.svg", "throughput-evenly.svg", "throughput-one.svg"];
    expect(await readdir(folder)).toEqual(expect.arrayContaining(plots));
  });

  test("measures ledgers and accounts of growing size, and weighs them", async () => {
    const folder = await temporaryFolder();
    const args = ["--quick", "--growth", "--rounds", "1", "--seconds", "0.3", "--out", folder];
    expect(await startBench(args).exit).toMatchObject({ code: 0, stderr: "" });

    const growth = JSON.parse(await readFile(join(folder, "quick-growth.json"), "utf8")) as Growth;
    expect(growth.accounts.map(({ lots }) => lots)).toEqual([2, 1_000]);
    expect(growth.ledgers.map(({ entries }) => entries)).toEqual([0, 20_000]);
    for (const { ratio, wrong } of [...growth.accounts, ...growth.ledgers]) {
      expect(wrong).toEqual([]);
      expect(ratio).toBeGreaterThan(0);
    }
    expect(growth.ledgers[1]!.weight.entry).toBeGreaterThan(100);
    const plot = await readFile(join(folder, "quick-growth.svg"), "utf8");
    expect(plot).toContain("10,000 accounts</text>");
  });

  test("says what is wrong with the command line", async () => {
    const { code, stderr } = await startBench(["--rows", "consume/everywhere"]).exit;
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no row consume/everywhere"),
    });
  });
});

describe("what the bench stands on", () => {
  test("entries made in bulk, also on top of others, are as the ledger would have made them", async () => {
    const database = await openDatabase();
    await seed(database, { prefix: "user-", accounts: 50, lots: 2, consumes: 20 });
    await seed(database, { prefix: "user-", accounts: 50, lots: 0, consumes: 130 });
    await seed(database, { prefix: "lots-", accounts: 1, lots: 100, consumes: 3 });
    const audited = await auditDatabase(database.url);
    expect(audited).toEqual({ accounts: 51, entries: 2 * 50 + 20 + 130 + 103 });
  });

  test("the SQL function of the baseline writes what the ledger accepts, without pgbench too", async () => {
    const database = await openDatabase();
    await seed(database, { prefix: "user-", accounts: 10, lots: 2, consumes: 0 });
    await database.query(CREATE_CONSUME);
    const before = await mark(database);
    const job: Job = {
      kind: "function",
      url: database.url,
      inFlight: 4,
      connections: 1,
      spread: { prefix: "user-", accounts: 10, by: "zipf" },
      warmSeconds: 0.05,
      seconds: 0.1,
      nonce: "000001",
    };
    const { entries, refused } = await runLoad(job, () => {});
    expect(refused).toEqual({});
    expect(await check(database, before, entries)).toEqual([]);
    expect(await auditDatabase(database.url)).toEqual({ accounts: 10, entries: 20 + entries });
  });

  test("the checks after a row find lost entries, and accounts that are not sound", async () => {
    const database = await openDatabase();
    await seed(database, { prefix: "user-", accounts: 3, lots: 2, consumes: 0 });
    const before = await mark(database);
    expect(await check(database, before, 5)).toEqual(["5 answers, but 0 entries"]);

    await database.query(`
      update points.account set update_time = clock_timestamp();
      update points.lot set remaining = remaining - 1 where user_id = 'user-0000001' and number = 1;
      delete from points.entry where user_id = 'user-0000002' and sequence = 1;
      update points.entry set hash = sha256('') where user_id = 'user-0000003' and sequence = 2`);
    expect(await check(database, before, 0)).toEqual([
      "balance = sum of lots' remaining, frozen = sum of lots' frozen is broken for user-0000001",
      "sequence = number of entries is broken for user-0000002",
      "an account is as its last entry left it is broken for user-0000003",
    ]);
  });

  test("a median is the middle, whatever the order", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([10, 1, 4, 2])).toBe(3);
  });
});

type Bench = {
  readonly child: ChildProcess;
  /** Waits for something on standard output. */
  printed(pattern: RegExp): Promise<void>;
  readonly exit: Promise<{ code: number | null; stdout: string; stderr: string }>;
};

function startBench(args: readonly string[]): Bench {
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, ["bench/main.ts", ...args], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const exit = new Promise<Awaited<Bench["exit"]>>((done) => {
    child.once("close", (code) => done({ code, stdout, stderr }));
  });
  onTestFinished(async () => {
    child.kill("SIGINT");
    await exit;
  });
  return {
    child,
    exit,
    printed: (pattern) =>
      new Promise((done, failed) => {
        child.stdout.on("data", () => pattern.test(stdout) && done());
        void exit.then(({ stderr: said }) => failed(new Error(`the bench ended early: ${said}`)));
      }),
  };
}

async function resultsIn(folder: string): Promise<Results> {
  return JSON.parse(await readFile(join(folder, "results.json"), "utf8")) as Results;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "points-bench-test-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

async function openDatabase() {
  const { url, query, close } = await testDatabase();
  onTestFinished(close);
  return {
    url,
    query: <Row>(sql: string, values?: unknown[]) => query(sql, values) as Promise<Row[]>,
  };
}
