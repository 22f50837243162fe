import { type ChildProcess, spawn } from "node:child_process";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { testDatabase } from "../support/database.ts";
import { exists, runPoints, temporaryFolder, until } from "../support/processes.ts";
import { inherited } from "../support/run-folder.ts";

describe("the command line", () => {
  test("--help names every variable with its default", async () => {
    const { code, stdout, stderr } = await runPoints({}, ["--help"]).exit;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { stdout: ofServe } = await runPoints({}, ["serve", "-h"]).exit;
    expect(ofServe).toContain(stdout.slice(stdout.indexOf("  LISTEN ")));
    const described = [...stdout.matchAll(/^ {2}([A-Z_]+) +\S.*\n +\((.*)\)$/gm)].map(
      ([, name, takes]) => [name, / default (.*)$/.exec(takes!)?.[1]],
    );
    expect(Object.fromEntries(described)).toEqual({
      LISTEN: "127.0.0.1:50051",
      DATABASE_URL: undefined,
      DATABASE_SCHEMA: "points",
      DATA_DIR: ".points",
      DURABILITY: "warn",
      MIGRATE: "on",
      PRICES: undefined,
      POLICIES: undefined,
      SWEEP_SECONDS: "300",
      TEST_CLOCK: "0",
      PROJECT: "on",
      CONSOLE: "on",
      CONSOLE_LABEL: undefined,
      CONSOLE_CLIENT_ID: undefined,
      CONSOLE_SCOPES: "openid profile",
      WORKERS: "1",
      LANES: "2",
      BATCH_MAX_OPS: "500",
      QUEUE_MAX_OPS: "10000",
      DEADLINE_DEFAULT_MS: "5000",
      DEADLINE_MAX_MS: "60000",
      LAMEDUCK_MS: "0",
      DRAIN_MS: "10000",
      MESSAGE_MAX_BYTES: "1048576",
      MESSAGE_SINGLE_MAX_BYTES: "65536",
      MESSAGE_OUT_MAX_BYTES: "4194304",
      HEADER_MAX_BYTES: "16384",
      BODY_MS: "30000",
      IDLE_MS: "300000",
      KEEPALIVE_MS: "60000",
      CONNECTIONS_MAX: "10000",
      CONNECTIONS_MAX_PER_PEER: "1000",
      STREAMS_MAX_PER_CONNECTION: "256",
      RESETS_MAX_BURST: "1000",
      RESETS_MAX_PER_SECOND: "33",
      CALLER_MAX_PER_SECOND: "10000",
      LOG_LEVEL: "info",
    });
  });

  test("names every variable that is wrong and what it takes, and makes nothing", async () => {
    const dataDir = join(await temporaryFolder(), "data");
    const { code, stdout, stderr } = await runPoints({
      DATA_DIR: dataDir,
      LISTEN: "here",
      LANES: "0",
      LOG_LEVEL: "loud",
      DATABASE_URL: "mysql://points:hunter2@127.0.0.1/points",
    }).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trimEnd().split("\n")).toEqual([
      "points: LISTEN=here: takes host:port",
      "DATABASE_URL=…: takes postgresql://user:password@host:port/database",
      "LANES=0: takes 1 to 64",
      "LOG_LEVEL=loud: takes fatal, error, warn, info, debug, trace or silent",
    ]);
    expect(await exists(dataDir)).toBe(false);
  });

  test.each([
    "postgresql://points:hunter2@127.0.0.1:port/points",
    "postgresql://points:hunter2@127.0.0.1:99999/points",
    "postgresql://points:hunter2/3@127.0.0.1:5432/points",
    "postgresql://points:hunter2%zz@127.0.0.1:5432/points",
    "postgresql://:hunter2@",
  ])("refuses the DATABASE_URL %s without printing its password", async (DATABASE_URL) => {
    const { code, stdout, stderr } = await runPoints({ DATABASE_URL }).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).not.toContain("hunter2");
    expect(stderr).toBe(
      "points: DATABASE_URL=…: takes postgresql://user:password@host:port/database\n",
    );
  });

  test.each([
    { args: ["frob"], says: "there is no command frob. See: points --help" },
    { args: ["serve", "--port=1"], says: "Unknown option '--port'. See: points serve --help" },
    { args: ["migrate", "now"], says: "there is nothing for now to mean. See: points migrate --" },
    { args: ["account"], says: "USER is missing. See: points account --help" },
    { args: ["account", "ada", "bob"], says: "there is nothing for bob to mean. See: " },
    { args: ["account", "ada", "--server", "here"], says: "--server takes an address such as " },
    { args: ["recharge", "ada"], says: "POINTS is missing. See: points recharge --help" },
    { args: ["recharge", "ada", "1.5"], says: "POINTS takes a whole number, and not 1.5. " },
    { args: ["recharge", "ada", "0x10"], says: "POINTS takes a whole number, and not 0x10. " },
    { args: ["recharge", "ada", "010"], says: "POINTS takes a whole number, and not 010. " },
    { args: ["recharge", "ada", " 12 "], says: "POINTS takes a whole number, and not  12 . " },
    { args: ["recharge", "ada", "1e3"], says: "POINTS takes a whole number, and not 1e3. " },
    { args: ["recharge", "ada", "5", "--priority", "0b11"], says: "--priority takes a whole" },
    { args: ["recharge", "ada", "5", "--ttl", "0x10s"], says: "--ttl takes a length such as " },
    { args: ["recharge", "ada", "5", "--ttl", " 5s"], says: "--ttl takes a length such as " },
    { args: ["recharge", "ada", "-5"], says: "Unknown option '-5'" },
    { args: ["recharge", "ada", "5", "--ttl", "soon"], says: "--ttl takes a length such as " },
    { args: ["recharge", "ada", "5", "--ttl"], says: "Option '--ttl <value>' argument missing" },
    { args: ["recharge", "ada", "5", "--priority", "1001"], says: "--priority takes 0 to 1000" },
    { args: ["consume", "ada"], says: "POINTS is missing, or --service. See: " },
    { args: ["consume", "ada", "5", "--service", "tts"], says: "there are POINTS and --service" },
    { args: ["consume", "ada", "--quantity", "5"], says: "--service is missing" },
    {
      args: ["consume", "ada", "--service", "tts", "--quantity", "5", "--duration", "1s"],
      says: "there are --quantity and --duration",
    },
    { args: ["statement", "ada", "--limit", "0"], says: "--limit takes 1 or more" },
    { args: ["policy"], says: "put, delete or list is missing. See: points policy --help" },
    { args: ["policy", "set"], says: "policy takes put, delete or list, and not set. See: " },
    { args: ["policy", "put", "ada"], says: "NAME is missing" },
    { args: ["policy", "put", "ada", "one"], says: "--allowance, --limit, --alert-below or --" },
    {
      args: ["policy", "put", "ada", "one", "--limit=1", "--credit-line=1"],
      says: "there are --limit and --credit-line: a policy has one rule",
    },
    {
      args: ["policy", "put", "ada", "one", "--credit-line=1", "--every=day"],
      says: "--every means nothing with --credit-line",
    },
    { args: ["policy", "put", "ada", "one", "--allowance=1"], says: "--every is missing" },
    {
      args: ["policy", "put", "ada", "one", "--allowance=1", "--every=0 days"],
      says: '--every takes day, week, month, year or such as "2 weeks", and not 0 days',
    },
    {
      args: ["policy", "put", "ada", "one", "--allowance=1", "--every=day", "--start=noon"],
      says: "--start",
    },
    {
      args: ["policy", "put", "ada", "one", "--allowance=1", "--every=day", "--ttl=1d", "--never"],
      says: "there are --ttl and --never: it takes one",
    },
    { args: ["policy", "put", "ada", "one", "--limit=1"], says: "--window is missing" },
    {
      args: ["policy", "put", "ada", "one", "--limit=1", "--window=hour"],
      says: "--window takes day, week, month, year or total, and not hour",
    },
    {
      args: [
        "policy",
        "put",
        "ada",
        "one",
        "--limit=1",
        "--window=day",
        "--service=a",
        "--service=b",
      ],
      says: "--limit takes one --service",
    },
    { args: ["policy", "put", "ada", "one", "--alert-below=--5"], says: "--alert-below takes a" },
    { args: ["forecast", "ada", "--until", "30x"], says: "--until takes a length such as 90s" },
    { args: ["verify", "--all"], says: "Unknown option '--all'" },
    { args: ["verify", "ada", "--root=x"], says: "there are USER and --root, which is of all" },
    { args: ["verify", "--accounts=x"], says: "--root is missing. See: points verify --help" },
    { args: ["root", "ada"], says: "there is nothing for ada to mean. See: points root --help" },
    { args: ["sweep", "now"], says: "there is nothing for now to mean" },
    {
      args: ["clock", "back"],
      says: "clock takes advance, and not back. See: points clock --help",
    },
    { args: ["clock", "advance"], says: "LENGTH is missing" },
    { args: ["clock", "advance", "a month"], says: "LENGTH takes a length such as 90s" },
    { args: ["clock", "advance", "0d"], says: "LENGTH takes more than 0" },
    { args: ["clock", "advance", "-1d"], says: "Unknown option '-1'" },
    { args: ["clock", "advance", "1d", "1h"], says: "there is nothing for 1h to mean" },
  ])("refuses $args", async ({ args, says }) => {
    const { code, stdout, stderr } = await runPoints({}, args).exit;
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.slice(0, `points: ${says}`.length)).toBe(`points: ${says}`);
    expect(stderr.trimEnd()).not.toContain("\n");
  });

  test("helps with everything, and with each command that it names", async () => {
    const { code, stdout, stderr } = await runPoints({}, ["--help"]).exit;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect((await runPoints({}, ["help"]).exit).stdout).toBe(stdout);
    const [, above] = /^([^]*?)\n"points COMMAND --help"/.exec(stdout)!;
    const commands = [...above!.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name!);
    expect(commands.slice(0, 9)).toEqual([
      "serve",
      "migrate",
      "verify",
      "root",
      "sweep",
      "project",
      "export",
      "erase",
      "clock",
    ]);
    expect(commands.slice(9)).toEqual([
      "account",
      "recharge",
      "consume",
      "statement",
      "entry",
      "policy",
      "forecast",
      "import",
      "entries",
      "search",
      "report",
      "expiring",
      "accounts",
      "overview",
      "feed",
      "whoami",
    ]);
    for (const command of commands) {
      const help = await runPoints({}, [command, "--help"]).exit;
      expect(help).toMatchObject({ code: 0, stderr: "" });
      expect(help.stdout).toMatch(new RegExp(`^Usage: points ${command}\\b`));
    }
  });
});

describe("bin/points.js", () => {
  test("runs by a Node that is new enough", async () => {
    expect(await run(["bin/points.js", "serve", "--help"])).toMatchObject({ code: 0, stderr: "" });
    expect(await run(["bin/points.js", "frob"])).toMatchObject({ code: 2 });
  });

  test("runs by the Node that npm brought if this one is too old, and ends with it", async () => {
    const help = await run([...PRETENDING_TO_BE_OLD, "bin/points.js", "--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toMatch(/^Points: a ledger/);
    const wrong = await run([...PRETENDING_TO_BE_OLD, "bin/points.js", "frob"]);
    expect(wrong).toMatchObject({ code: 2 });

    const database = await testDatabase();
    onTestFinished(() => database.close());
    let stdout = "";
    const environment = { DATABASE_URL: database.url, LISTEN: "127.0.0.1:0" };
    const exit = run([...PRETENDING_TO_BE_OLD, "bin/points.js"], environment, async (child) => {
      child.stdout!.on("data", (chunk) => (stdout += chunk));
      await until("it serves", () => stdout.includes("Stop: Ctrl-C"));
      child.kill("SIGTERM");
    });
    expect(await exit).toMatchObject({ code: 0 });
  });

  test("says what is missing if there is no such Node", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "bin"));
    await copyFile("bin/points.js", join(folder, "bin", "points.js"));
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    const exit = await run([...PRETENDING_TO_BE_OLD, join(folder, "bin", "points.js")]);
    const stderr =
      "points: it needs Node 24 or newer, and this is 20.1.0. " +
      '"npm ci" in its folder brings one.\n';
    expect(exit).toEqual({ code: 1, stdout: "", stderr });
  });
});

/** As arguments of Node: what makes it look like an old one. */
const PRETENDING_TO_BE_OLD = [
  "--import",
  `data:text/javascript,${encodeURIComponent(
    `const value = { ...process.versions, node: "20.1.0" };
     Object.defineProperty(process, "versions", { value });`,
  )}`,
];

type End = { code: number | null; stdout: string; stderr: string };

/** Runs Node, with these variables alone; `meanwhile` may do something with it. */
async function run(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  meanwhile: (child: ChildProcess) => Promise<void> = async () => {},
): Promise<End> {
  const env = { ...inherited(), ...environment };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill());
  const end: End = { code: null, stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (end.stdout += chunk));
  child.stderr.on("data", (chunk) => (end.stderr += chunk));
  const closed = new Promise<number | null>((done) => child.once("close", done));
  await meanwhile(child);
  const code = await closed;
  return { ...end, code };
}
