import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { playGrpcurl } from "./grpcurl.ts";
import { type Command, type Ran, run } from "./run.ts";

/** One client to verify. */
export type Client = {
  readonly name: string;
  /** The programs that it needs. Without them it is left out. */
  readonly needs: readonly string[];
  /**
   * Downloads its packages, builds it and runs its scenario.
   *
   * @throws LeftOut if something is not available, any other Error if the client fails
   */
  play(test: Test): Promise<void>;
};

export type Test = {
  /** The address of the server, host:port. */
  readonly address: string;
  /** The token of a caller who may do everything. */
  readonly token: string;
  /** A folder for temporary files. */
  readonly folder: string;
  /** The text that the client must print. */
  readonly expected: string;
};

/** Says what is not available on this machine. */
export class LeftOut extends Error {}

const FETCH_MAX_MS = 300_000;
const BUILD_MAX_MS = 600_000;
const PLAY_MAX_MS = 60_000;

// Messages of build tools that cannot download, or are too old.
const UNAVAILABLE =
  /could not (resolve|transfer)|unable to resolve|non-resolvable|release version .* not supported|invalid target release|requires rustc|rustc \S+ is not supported/i;

let endsAtMs = Number.POSITIVE_INFINITY;

/** Sets a deadline, a time of `performance.now()`. Clients that have not ended by then are left out. */
export function endAt(ms: number): void {
  endsAtMs = ms;
}

/** All clients, the quick ones first. */
export const clients: readonly Client[] = [
  {
    name: "typescript",
    needs: ["npm"],
    async play(test) {
      const cwd = "clients/typescript";
      await build(cwd, process.execPath, [resolve("scripts/pack-client.ts"), resolve(cwd)]);
      // npm does not replace a package of the same version.
      await rm(join(cwd, "node_modules"), { recursive: true, force: true });
      const flags = ["--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline"];
      await fetch(cwd, "npm", ["install", ...flags]);
      await build(cwd, "npm", ["run", "build"]);
      for (const through of [[], ["--web"]]) {
        await play(test, cwd, process.execPath, ["dist/main.js", test.address, ...through]);
      }
    },
  },
  {
    name: "python",
    needs: ["python3"],
    async play(test) {
      const cwd = "clients/python";
      const python = resolve(cwd, ".venv/bin/python");
      await fetch(cwd, "python3", ["-m", "venv", ".venv"]);
      const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
      await fetch(cwd, python, [...pip, "--requirement", "requirements-dev.txt"]);
      await build(cwd, python, ["generate.py"]);
      await build(cwd, python, ["-m", "mypy"]);
      await play(test, cwd, python, ["main.py", test.address]);
    },
  },
  {
    name: "go",
    needs: ["go"],
    async play(test) {
      const cwd = "clients/go";
      await fetch(cwd, "go", ["mod", "download"]);
      await build(cwd, "go", ["generate", "."]);
      await build(cwd, "go", ["vet", "."]);
      await build(cwd, "go", ["test", "."]);
      const program = join(test.folder, "go-client");
      await build(cwd, "go", ["build", "-o", program, "."]);
      await play(test, cwd, program, [test.address]);
    },
  },
  {
    name: "grpcurl",
    needs: ["go"],
    async play({ address, token, folder }) {
      const grpcurl = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4";
      await fetch(folder, "go", ["install", grpcurl], { GOBIN: folder });
      await playGrpcurl(join(folder, "grpcurl"), address, token);
    },
  },
  {
    name: "java",
    needs: ["java", "mvn"],
    async play(test) {
      const cwd = "clients/java";
      await build(cwd, "mvn", [...MAVEN, "compile"]);
      await play(test, cwd, "mvn", [...MAVEN, "exec:java", `-Dexec.args=${test.address}`]);
    },
  },
  {
    name: "rust",
    needs: ["cargo"],
    async play(test) {
      const cwd = "clients/rust";
      await fetch(cwd, "cargo", ["fetch", "--locked"]);
      await build(cwd, "cargo", ["build", "--locked", "--offline"]);
      const target = process.env["CARGO_TARGET_DIR"] ?? resolve(cwd, "target");
      await play(test, cwd, join(target, "debug/points-client"), [test.address]);
    },
  },
];

const MAVEN = ["--batch-mode", "--quiet", "-Dstyle.color=never"];

/** Downloads packages. */
async function fetch(
  cwd: string,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { ok, text } = await attempt({ program, args, cwd, timeoutMs: FETCH_MAX_MS, env });
  if (!ok) throw new LeftOut(text);
}

async function build(cwd: string, program: string, args: readonly string[]): Promise<void> {
  const path = `${resolve("node_modules/.bin")}:${process.env["PATH"]}`;
  const env = { PATH: path };
  const { ok, text } = await attempt({ program, args, cwd, timeoutMs: BUILD_MAX_MS, env });
  if (!ok) throw UNAVAILABLE.test(text) ? new LeftOut(text) : new Error(text);
}

async function attempt(command: Command): Promise<{ ok: boolean; text: string }> {
  const { code, stdout, stderr } = await runInTime(command);
  const said = `${stdout}${stderr}`.trim().split("\n").slice(0, 15).join("\n");
  return {
    ok: code === 0,
    text: `"${command.program} ${command.args.join(" ")}" ended with ${code}:\n${said}`,
  };
}

async function runInTime(command: Command): Promise<Ran> {
  const leftMs = endsAtMs - performance.now();
  if (leftMs <= 0) throw new LeftOut("there was no time left");
  const ran = await run({ ...command, timeoutMs: Math.min(command.timeoutMs, leftMs) });
  if (ran.code === "TIMEOUT" && leftMs < command.timeoutMs) {
    throw new LeftOut("the time was over before it was done");
  }
  return ran;
}

async function play(
  { token, expected }: Test,
  cwd: string,
  program: string,
  args: readonly string[],
): Promise<void> {
  const env = { POINTS_TOKEN: token };
  const command = { program, args, cwd, timeoutMs: PLAY_MAX_MS, env };
  const { code, stdout, stderr } = await runInTime(command);
  const what = `"${program} ${args.join(" ")}"`;
  if (code !== 0) throw new Error(`${what} ended with ${code}:\n${stdout}${stderr}`);
  if (stdout.trim() !== expected.trim()) {
    throw new Error(`${what} printed other lines than clients/scenario.txt:\n${stdout}`);
  }
}
