import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { exportEntries } from "../../src/transfer/export.ts";
import { codeBlocks } from "../support/code-blocks.ts";
import { importText } from "../support/importing.ts";
import { runPoints } from "../support/processes.ts";
import { points, ttl } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

// docs/operations.md, "Erasing a user", typed as it is there.

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
  const { client } = server;
  await client.recharge({ userId: "ada", points: 100n, requestId: "order-1", actor: "ana" });
  await client.consume({ userId: "ada", cost: points(30n), member: "bea" });
  await client.freeze({ userId: "ada", cost: points(5n), member: "bea", expiration: ttl(1e9) });
});
afterAll(() => server.stop());

test("without --yes, or of nobody, nothing is erased", async () => {
  const [foretold, nobody, wrong] = await Promise.all([
    command("erase", "ada"),
    command("erase", "adam", "--yes"),
    command("erase", "--yes"),
  ]);
  expect(foretold).toMatchObject({ code: 1, stdout: "" });
  expect(foretold.stderr).toContain("what is personal in 3 entries and 0 receipts");
  expect(nobody).toMatchObject({ code: 1, stderr: "points: there is no account adam\n" });
  expect(wrong).toMatchObject({ code: 2 });
  const { account } = await server.client.getAccount({ userId: "ada" });
  expect(account).toMatchObject({ sequence: 3n });
});

test("the command erases the user, and prints the new name; an export of after has nothing of before", async () => {
  const page = await readFile("docs/operations.md", "utf8");
  const [, section] = /^## Erasing a user\n([^]*?)^## /m.exec(page)!;
  const [typed, ...others] = codeBlocks(section!, "sh");
  expect(others).toEqual([]);
  const before = await exported();
  const env = { ...process.env, DATABASE_URL: server.database.url };
  const { stdout } = await promisify(execFile)("bash", ["-ec", typed!], { env });
  const [userId] = stdout.trimEnd().split("\n") as [string];
  expect(userId).toMatch(/^~erased-[\w-]{16}$/);

  const after = await exported();
  const personal = /"ada"|order-1|"ana"|"bea"/;
  expect(before.every((line) => personal.test(line))).toBe(true);
  expect(after.filter((line) => personal.test(line))).toEqual([]);
  const kept = ({ hash, personalDigest }: Record<string, unknown>) => [hash, personalDigest];
  const [erasure, ...rest] = after.map((line) => JSON.parse(line)).toReversed();
  expect(rest.map(kept)).toEqual(before.map((line) => kept(JSON.parse(line))).toReversed());
  expect(erasure).toMatchObject({ userId, kind: "ENTRY_KIND_ERASE" });

  const other = await testServer();
  onTestFinished(() => other.stop());
  expect(await importText(other.client, after)).toMatchObject({ why: [] });
  const { account } = await other.client.getAccount({ userId });
  expect(account).toMatchObject({ balance: 65n, frozen: 5n, totalConsumed: 30n });
});

async function exported(): Promise<string[]> {
  let all = "";
  await exportEntries(server.database.orm, async (lines) => void (all += lines));
  return all.trimEnd().split("\n");
}

function command(...args: string[]) {
  return runPoints({ DATABASE_URL: server.database.url }, args).exit;
}
