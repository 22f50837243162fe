import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a few seconds of the fuzzer find nothing wrong", async () => {
  const stdout = await fuzz("--seconds", "3", "--seed", "5");
  expect(stdout).toMatch(/^\d{3,} inputs/m);
  expect(stdout).toMatch(/ all in order$/m);
});

// Only Linux tells how long a thread has computed.
test.skipIf(process.platform !== "linux")("little costs little", async () => {
  expect(await fuzz("--cost-slice")).toMatch(/^\d{2,} inputs measured, 0 of them too dear$/m);
});

/** What it prints; rejects with that if it ends with another code than 0. */
async function fuzz(...options: readonly string[]): Promise<string> {
  const script = resolve(import.meta.dirname, "fuzz.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...options]);
  return stdout;
}
