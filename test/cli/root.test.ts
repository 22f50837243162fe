import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeEach, expect, test } from "vitest";
import { takeRoot } from "../../src/cli/root.ts";
import { leafLine, rootLine } from "../../src/cli/root-text.ts";
import { verifyRoot } from "../../src/cli/verify-root.ts";
import { codeBlocks } from "../support/code-blocks.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { temporaryFolder } from "../support/processes.ts";
import { untilSettled } from "../support/settled.ts";
import { ada, dropChecks, live, recharge, rehashAda, run } from "../verify/life.ts";

let database: TestDatabase;
let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  database = await testDatabase();
  await live(database);
  await untilSettled(database);
  return () => database.close();
});

// docs/operations.md, "Roots kept elsewhere", typed as it is there.
test("a root is taken and verified as the page says, and what differs is named", async () => {
  const page = await readFile("docs/operations.md", "utf8");
  const [, section] = /^### Roots kept elsewhere\n([^]*?)^### /m.exec(page)!;
  const [commands, ...others] = codeBlocks(section!, "sh");
  expect(others).toEqual([]);
  const { code, stdout } = await shell(commands!);
  const [line, ...rest] = stdout.split("\n");
  expect(line).toMatch(/^root [0-9a-f]{64} accounts 2 entries 21 cursor c1\.\S+$/);
  expect(rest.join("\n")).toMatch(
    /^epoch 1, .*: 21 entries\n4 accounts, 21 .*: all in order, and the root is the same\n$/,
  );
  expect(code).toBe(0);
  const accounts = await readFile(join(folder, "accounts.txt"), "utf8");
  expect(accounts).toMatch(/^([0-9a-f]{64} (18|3) [0-9a-f]{64}\n){2}$/);

  await deleteBob();
  const verified = await shell(`npx points verify --root '${line!}' --accounts accounts.txt`);
  expect(verified.code).toBe(1);
  expect(verified.stdout).toMatch(
    /^account [0-9a-f]{64} is gone, with 3 entries\nthe root is another, of 1 account, 18 entries; it was of 2 accounts, 21 entries\nepoch 1, .*\n3 accounts, 18 entries: 2 wrong\n$/,
  );
});

test("what came after a root is not looked at, and what was there before is", async () => {
  const root = await kept();
  const more = ["ada", "bob", "eve"].map((userId) => recharge(userId, 5n));
  await run(database, more, 3000n);
  expect(await verifyRoot(database.orm, root)).toEqual([]);
  await dropChecks(database);
  await database.query(`update points.entry set caller = 'me' where ${ada(18)}`);
  await rehashAda(database, 18);
  await database.query("delete from points.entry where user_id = 'bob' and sequence > 1");
  const counts = "of 2 accounts, 19 entries; it was of 2 accounts, 21 entries";
  const lines = await verifyRoot(database.orm, root);
  expect(lines.toSorted()).toEqual([
    "ada: entry 18: has another hash than it had",
    "bob: has 1 entry before the cursor, and had 3",
    `the root is another, ${counts}`,
  ]);
});

test("a root that a restore or a promotion may have changed is said to be one", async () => {
  const { root } = await kept();
  await deleteBob();
  expect(await verifyRoot(database.orm, { root, accounts: undefined })).toHaveLength(1);
  await database.query(`
    insert into points.epoch (epoch, system_identifier, timeline, begin_time)
    select epoch + 1, system_identifier, timeline + 1, now() from points.epoch`);
  const lines = await verifyRoot(database.orm, { root, accounts: undefined });
  expect(lines.at(-1)).toMatch(/^the database was restored or promoted since, and may have lost/);
});

test("what is no root of this ledger is refused", async () => {
  const { root, accounts } = await kept();
  const expectRefused = (given: { root: string; accounts?: string }, why: string | RegExp) =>
    expect(verifyRoot(database.orm, { accounts: undefined, ...given })).rejects.toThrow(why);
  await expectRefused({ root: "root 12" }, /^cannot read root 12: /);
  await expectRefused({ root: accounts }, 'has not one line of "points root"');
  const ofOther = root.replace(/c1\.\w+/, "c1.00000000");
  await expectRefused({ root: ofOther }, "the root's cursor is not of this ledger");
  const ahead = root.replace(/(c1\.\w+\.1)\.\d+/, "$1.99999999");
  await expectRefused({ root: ahead }, "the database has not come to the root's cursor");
  const short = join(folder, "short.txt");
  await writeFile(short, (await readFile(accounts, "utf8")).replace(/\n.*\n$/, "\n"));
  await expectRefused({ root, accounts: short }, "has not the accounts of the root");
  await writeFile(short, "ada 3\n");
  await expectRefused({ root, accounts: short }, "line 1 is no account's");
  await expectRefused({ root, accounts: "/none" }, /^cannot read \/none: /);
});

async function deleteBob(): Promise<void> {
  for (const table of ["account", "entry", "lot"]) {
    await database.query(`delete from points.${table} where user_id = 'bob'`);
  }
}

/** As `points root --accounts` does. */
async function kept(): Promise<{ root: string; accounts: string }> {
  const accounts = join(folder, "accounts.txt");
  const leaves: string[] = [];
  const root = await takeRoot(database.orm, (leaf) => void leaves.push(leafLine(leaf)));
  await writeFile(accounts, leaves.join(""));
  return { root: rootLine(root), accounts };
}

/** Runs commands in a folder of the test's. */
async function shell(commands: string): Promise<{ code: number; stdout: string }> {
  const points = `${process.execPath} ${resolve("src/main.ts")}`;
  const typed = ["-ec", `set -o pipefail\n${commands.replaceAll("npx points", points)}`];
  const env = { ...process.env, DATABASE_URL: database.url };
  return promisify(execFile)("bash", typed, { cwd: folder, env }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string; stderr: string }) => {
      if (error.stderr !== "") throw error;
      return error;
    },
  );
}
