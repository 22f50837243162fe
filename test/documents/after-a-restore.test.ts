import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { openOrm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { type Cluster, copyAsStandby, startCluster } from "../support/cluster.ts";
import { codeBlocks } from "../support/code-blocks.ts";
import { serverOn } from "../support/opened.ts";
import { withDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/processes.ts";

// docs/operations.md, "After a restore or a promotion", typed as it is there.

test("the runbook shows the epochs of a ledger that was promoted, and begins one by hand", async () => {
  const [check, charge, ...others] = await blocks("sh");
  const [begin] = await blocks("sql");
  expect(others).toEqual([]);
  const promoted = await promotedLedger();
  const DATABASE_URL = withDatabase(promoted.url, "points");

  const before = await shell(check!, { DATABASE_URL });
  expect(before).toMatch(/^epoch 1, .*: 1 entry\n1 account, 1 entry: all in order\n$/);
  const after = await onServer(DATABASE_URL, charge!);
  expect(after).toMatch(/epoch 1, .*: 1 entry\nepoch 2, .*: 1 entry\n2 accounts, 2 .* in order\n$/);

  await promoted.query(begin!, "points");
  const last = await onServer(DATABASE_URL, charge!);
  expect(last).toMatch(/epoch 2, .*: 1 entry\nepoch 3, .*: 1 entry\n2 accounts, 3 .* in order\n$/);
});

/** A ledger with one entry, in a standby that was promoted. */
async function promotedLedger(): Promise<Cluster> {
  const folder = await temporaryFolder();
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  const primary = await startCluster(one);
  const orm = await openOrm(withDatabase(primary.url, "points"), 2);
  await migrate(orm);
  const { client, stop } = await serverOn(orm);
  expect(await client.recharge({ userId: "ada", points: 5n })).toMatchObject({ epoch: 1n });
  await stop();
  await orm.close();
  await primary.stop();
  await copyAsStandby(one, two);
  const standby = await startCluster(two);
  onTestFinished(() => standby.stop());
  await standby.query("select pg_promote()");
  return standby;
}

/** Types commands at a server that has just started. */
async function onServer(DATABASE_URL: string, commands: string): Promise<string> {
  const orm = await openOrm(DATABASE_URL, 4);
  const { baseUrl, stop } = await serverOn(orm);
  try {
    return await shell(commands, { DATABASE_URL, POINTS_URL: baseUrl });
  } finally {
    await stop();
    await orm.close();
  }
}

async function shell(commands: string, variables: Record<string, string>): Promise<string> {
  const env = { ...process.env, ...variables };
  return (await promisify(execFile)("bash", ["-ec", commands], { env })).stdout;
}

/** The section's blocks of commands, without their indentation. */
async function blocks(language: string): Promise<string[]> {
  const page = await readFile("docs/operations.md", "utf8");
  const [, section] = /^### After a restore or a promotion\n([^]*?)^## /m.exec(page)!;
  return codeBlocks(section!, language);
}
