import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a few seconds of the fuzzer find nothing wrong", async () => {
  const script = resolve(import.meta.dirname, "fuzz.ts");
  // Rejects with all that it printed if it ends with another code than 0.
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [script, "--seconds", "3", "--seed", "5"],
  );
  expect(stdout).toMatch(/^\d{3,} inputs/m);
  expect(stdout).toMatch(/ all in order$/m);
});
