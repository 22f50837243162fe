import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import type { Growth, Results } from "../../bench/results.ts";
import { LONG_MS, PATIENCE, withoutAway } from "../support/patience.ts";
import { inherited, makeFolder } from "../support/run-folder.ts";

// End-to-end test of the bench as a person runs it, but with few accounts and for a moment: it must
// work and find errors. Speed is not tested.

const ROOT = join(import.meta.dirname, "..", "..");

const ROWS = [
  "noop/evenly/64",
  "consume/evenly/64",
  "function/one/8",
  "orm/evenly/64",
  "batch/one/4",
  "stream/zipf",
  "batching/one",
  "mix/zipf",
  "workers-2/one",
];

describe.concurrent("npm run bench", { timeout: LONG_MS }, () => {
  test("runs all kinds of rows, and resumes where it was stopped", async ({ onTestFinished }) => {
    const folder = await temporaryFolder(onTestFinished);
    const short = ["--accounts", "300", "--seconds", "0.3", "--rounds", "1"];
    const args = [...short, "--rows", ROWS.join(","), "--out", folder];
    const first = startBench(onTestFinished, args);
    await first.printed(/^consume\//m);
    first.child.kill("SIGINT");
    expect(await first.exit).toMatchObject({ code: 1 });

    const saved = await resultsIn(folder);
    // On a slow machine it may finish more rows before the signal arrives.
    const done = saved.rows.map(({ name }) => name);
    expect(done.length).toBeGreaterThanOrEqual(2);
    expect(done.length).toBeLessThan(ROWS.length);
    expect(done).toEqual(ROWS.slice(0, done.length));
    const second = await startBench(onTestFinished, [...args, "--resume"]).exit;
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.stdout).not.toMatch(/^noop\//m);

    const results = await resultsIn(folder);
    expect(results.rows.slice(0, done.length)).toEqual(saved.rows);
    expect(results.rows).toHaveLength(ROWS.length);
    for (const { name, kind, inFlight, entries, wrong } of results.rows) {
      expect({ name, wrong }).toEqual({ name, wrong: [] });
      // A load awaits its calls in flight at the end; some calls of the mix make no entry.
      const least = { noop: 0, mix: 1 }[kind as string] ?? inFlight;
      expect(entries).toBeGreaterThanOrEqual(least);
    }
    const report = await readFile(join(folder, "results.md"), "utf8");
    expect(report).toContain(results.machine.cpu);
    expect(report).toMatch(/^\| Consume on one account : evenly +\| at least 1.2 +\|/m);
    expect(report).toMatch(/^\| Consume, WORKERS=2 \| one +\|/m);
    const plots = ["p99-evenly.svg", "p99-one.svg", "throughput-evenly.svg", "throughput-one.svg"];
    expect(await readdir(folder)).toEqual(expect.arrayContaining(plots));
  });

  test("measures growing ledgers and accounts, and weighs them", async ({ onTestFinished }) => {
    const folder = await temporaryFolder(onTestFinished);
    const args = ["--quick", "--growth", "--rounds", "1", "--seconds", "0.3", "--out", folder];
    expect(await startBench(onTestFinished, args).exit).toMatchObject({ code: 0, stderr: "" });

    const growth = JSON.parse(await readFile(join(folder, "quick-growth.json"), "utf8")) as Growth;
    expect(growth.accounts.map(({ lots }) => lots)).toEqual([1_000]);
    expect(growth.ledgers.map(({ entries }) => entries)).toEqual([0, 4_000]);
    const stages = [...growth.accounts, ...growth.ledgers];
    expect(stages.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(growth.ledgers[1]!.weight.entry).toBeGreaterThan(100);
    const plot = await readFile(join(folder, "quick-growth.svg"), "utf8");
    expect(plot).toContain("2,000 accounts</text>");
  });

  test("explains errors in the command line", async ({ onTestFinished }) => {
    const { code, stderr } = await startBench(onTestFinished, ["--rows", "consume/all"]).exit;
    expect(code).toBe(2);
    expect(stderr).toContain("there is no row consume/all");
  });
});

/** Each concurrent test has its own. */
type WhenFinished = TestContext["onTestFinished"];

type Bench = {
  readonly child: ChildProcess;
  /** Waits for output that matches. */
  printed(pattern: RegExp): Promise<void>;
  readonly exit: Promise<{ code: number | null; stdout: string; stderr: string }>;
};

function startBench(whenFinished: WhenFinished, args: readonly string[]): Bench {
  const child = spawn(process.execPath, ["bench/main.ts", ...args], {
    cwd: ROOT,
    env: { ...inherited(), ...PATIENCE },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const exit = new Promise<Awaited<Bench["exit"]>>((done) => {
    child.once("close", (code) => done({ code, stdout, stderr: withoutAway(stderr) }));
  });
  whenFinished(async () => {
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

async function temporaryFolder(whenFinished: WhenFinished): Promise<string> {
  const folder = await makeFolder("bench");
  whenFinished(() => rm(folder, { recursive: true }));
  return folder;
}
