import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("the fuzzer finds nothing wrong in a few seconds", async () => {
  const stdout = await fuzz("--seconds", "3", "--seed", "5");
  expect(stdout).toMatch(/^\d{3,} inputs/m);
  expect(stdout).toMatch(/ all in order$/m);
});

// Only Linux shows the CPU time of a thread.
test.skipIf(process.platform !== "linux")("small requests cost little CPU time", async () => {
  expect(await fuzz("--cost-slice")).toMatch(/^\d{2,} inputs measured, 0 of them too expensive$/m);
});

/** Runs the fuzzer; gives its output, or rejects with it if the exit code is not 0. */
async function fuzz(...options: readonly string[]): Promise<string> {
  const script = resolve(import.meta.dirname, "fuzz.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...options]);
  return stdout;
}
