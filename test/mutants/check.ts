import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Mutant } from "./mutant.ts";

/** The result of a check: it passed, it found something, or it broke without a finding. */
export type Verdict =
  | { readonly kind: "passed" }
  | { readonly kind: "caught"; readonly finding: string }
  | { readonly kind: "broken"; readonly output: string };

const PATIENCE_MS = 150_000;
/** Where a bug hangs, its test fails after a minute. */
const WAIT_MS = 48_000;
/** Random tests find a rare bug only among many commands. */
const TIMES = 5;
const FINDING_MAX_CHARS = 110;
const OUTPUT_MAX_CHARS = 3_000;

/**
 * Runs the check that must catch a bug, in a copy of the project.
 *
 * @param signal ends it early
 */
export async function check(
  folder: string,
  caughtBy: Mutant["caughtBy"],
  signal: AbortSignal,
): Promise<Verdict> {
  const bin = join(folder, "node_modules/.bin");
  const [program, ...args] = commandOf(caughtBy, bin);
  const child = spawn(program, args, {
    cwd: folder,
    env: {
      ...process.env,
      PATH: `${bin}:${process.env["PATH"]}`,
      NO_COLOR: "1",
      POINTS_TEST_WAIT_MS: String(WAIT_MS),
      POINTS_TEST_TIMES: String(TIMES),
    },
    stdio: ["ignore", "pipe", "pipe"],
    // Only this process gets the Ctrl-C; it then asks the check to clean up.
    detached: true,
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
    killSignal: "SIGTERM",
  });
  child.on("error", () => {}); // It was aborted.
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const code = await new Promise<number | null>((done) => child.once("close", done));
  if (code === 0) return { kind: "passed" };
  const finding = findingIn(output);
  if (code === 1 && finding !== undefined) return { kind: "caught", finding };
  return { kind: "broken", output: output.slice(-OUTPUT_MAX_CHARS) };
}

function commandOf(caughtBy: Mutant["caughtBy"], bin: string): [string, ...string[]] {
  const node = process.execPath;
  const torture = ["test/torture/main.ts", "--slice", "--seed", "1", "--seconds", "30"];
  switch (caughtBy) {
    case "torture --only COMMIT":
      return [node, ...torture, "--only", "COMMIT"];
    case "torture --only clock":
      return [node, ...torture, "--only", "clock"];
    case "torture --calm":
      return [node, ...torture, "--calm"];
    default:
      return [join(bin, "vitest"), "run", "--bail", "1", caughtBy];
  }
}

/** The first finding of a torture run, or the first failed test. */
function findingIn(output: string): string | undefined {
  const [, wrong] = /What is wrong:\n- (.*)/.exec(output) ?? [];
  const [, test] = /^ *FAIL +(.*)/m.exec(output) ?? [];
  return (wrong ?? test)?.slice(0, FINDING_MAX_CHARS);
}
