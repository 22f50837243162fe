import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { codeBlocks } from "../support/code-blocks.ts";
import { startPoints, temporaryFolder } from "../support/processes.ts";

// docs/operations.md, "A clock for your tests", typed as it is there.

test("the page on operations lets Ada's points expire, a month later at once", async () => {
  const page = await readFile("docs/operations.md", "utf8");
  const [, section] = /^## A clock for your tests\n([^]*?)^## /m.exec(page)!;
  const [start, commands, ...others] = codeBlocks(section!, "sh");
  expect(others).toEqual([]);
  expect(start).toBe("export DATA_DIR=$(mktemp -d)\nTEST_CLOCK=1 npm start\n");
  const DATA_DIR = await temporaryFolder();
  const { baseUrl } = await startPoints({ DATA_DIR, TEST_CLOCK: "1" });
  const env = { ...process.env, DATA_DIR, POINTS_URL: baseUrl };
  const { stdout } = await promisify(execFile)("bash", ["-ec", commands!], { env });
  const steps = [
    /\nbalance 100\n/,
    /\S+Z, ahead by 31d\n/,
    /balance +0\n[^]*\nexpired +100\n/,
    /booked what was due on 1 account\n/,
    /\n2 .* expire +-100 +0 [^\n]*\n/,
    /\S+Z, ahead by 31d\n$/,
  ];
  expect(stdout).toMatch(new RegExp(steps.map(({ source }) => source).join("[^]*")));
});
