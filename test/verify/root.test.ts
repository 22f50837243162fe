import { createHash } from "node:crypto";
import pg from "pg";
import { beforeEach, describe, expect, test } from "vitest";
import { erase } from "../../src/commit/erase.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { compareRoot, type Difference, isSameRoot } from "../../src/verify/compare-root.ts";
import { readHorizon } from "../../src/verify/horizon.ts";
import { type Leaf, readRoot } from "../../src/verify/root.ts";
import { verify } from "../../src/verify/verify.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { untilSettled } from "../support/settled.ts";
import {
  ada,
  consume,
  dropChecks,
  entriesOf,
  live,
  recharge,
  rehashAda,
  rehashReceipts,
  run,
} from "./life.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await live(database);
  return () => database.close();
});

describe("the root", () => {
  test("is over all accounts with entries, in the order of their names' digests", async () => {
    const many = Array.from({ length: 40 }, (_, index) => recharge(`user-${index}`, 5n));
    await run(database, many, 3000n);
    const { root, leaves } = await take();
    const rows = await database.query("select * from points.account where sequence > 0");
    const expected = rows.map((row) => {
      const digest = sha256(row["salt"] as Buffer, Buffer.from(row["user_id"] as string));
      return { digest, sequence: BigInt(row["sequence"] as string), hash: row["hash"] as Buffer };
    });
    expected.sort((one, other) => Buffer.compare(one.digest, other.digest));
    expect(leaves).toEqual(expected);
    expect(root).toMatchObject({ accounts: 42n, entries: 61n });
    expect(Buffer.from(root.hash)).toEqual(merkle(expected.map(leafBytes)));
  });

  test("of a ledger without entries is the hash of nothing", async () => {
    await database.query("truncate points.account, points.entry");
    const { root } = await take();
    expect(root).toEqual({ accounts: 0n, entries: 0n, hash: sha256() });
  });

  // A batch locks Ann, and so has its id, and waits for Ben, whom somebody holds. A younger one of
  // another server charges Cay meanwhile, and is done: its entry is not for good before the other's.
  test("has only entries that no transaction under way can come before", async () => {
    await commit(["ann", "ben", "cay"]);
    await untilSettled(database);
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query("begin; select from points.account where user_id = 'ben' for update");
    const waiting = commit(["ann", "ben", "cay"]);
    while (!(await isWaiting()));
    await commit(["cay"]);
    const kept = await takeNow();
    await holder.query("commit");
    await holder.end();
    await waiting;
    expect(kept.root).toMatchObject({ accounts: 5n, entries: 24n });
    expect((await take()).root).toMatchObject({ accounts: 5n, entries: 28n });
    expect(await compare(kept)).toEqual({ isSame: true, differences: [] });
  });

  test("of a dump that was restored has all entries, whatever the cluster's own numbers are", async () => {
    const kept = await take();
    await database.query("update points.epoch set system_identifier = system_identifier + 1");
    for (const table of ["entry", "account"]) {
      await database.query(`update points.${table} set feed = feed + 1000000000`);
    }
    const restored = await takeNow();
    expect(restored.root).toEqual(kept.root);
    await commit(["ann"]);
    expect(await compare(restored)).toEqual({ isSame: true, differences: [] });
  });

  test("is the same after 1,000 more entries, of accounts that there were and of others", async () => {
    const kept = await take();
    const more = Array.from({ length: 500 }, (_, index) => [
      recharge(`user-${index % 200}`, 5n),
      consume("bob", 0n),
    ]).flat();
    await run(database, more, 3000n);
    expect(await compare(kept)).toEqual({ isSame: true, differences: [] });
    const now = await take();
    expect(now.root).toMatchObject({ accounts: 202n, entries: 1_021n });
    expect(await compare(now)).toEqual({ isSame: true, differences: [] });
  });
});

test("a root stays the same when users are erased, also twice", async () => {
  const kept = await take();
  const { userId } = await erase(database.orm, "bob");
  await run(database, [recharge(userId, 5n)], 3000n);
  await erase(database.orm, "cleo");
  expect(await compare(kept)).toEqual({ isSame: true, differences: [] });
  const later = await take();
  expect(later.root).toMatchObject({ accounts: 3n, entries: 24n });
  await erase(database.orm, userId);
  await erase(database.orm, "ada");
  expect(await compare(kept)).toEqual({ isSame: true, differences: [] });
  expect(await compare(later)).toEqual({ isSame: true, differences: [] });
});

// What verify alone cannot find, since it leaves everything consistent.
describe("a kept root shows", () => {
  test("that an account was deleted with all its rows", async () => {
    const kept = await take();
    const [bob] = await leafOf(kept, "bob");
    for (const table of ["account", "entry", "lot", "hold", "undone", "receipt", "policy"]) {
      await database.query(`delete from points.${table} where user_id = 'bob'`);
    }
    await expectConsistent();
    expect(await compare(kept)).toEqual({
      isSame: false,
      differences: [{ kept: bob, found: undefined }],
    });
  });

  test("that entries were deleted from the end, and the row put back", async () => {
    await database.query("create table bob as select * from points.account where user_id = 'bob'");
    await run(database, [recharge("bob", 7n)], 3000n);
    const kept = await take();
    await database.query(`
      delete from points.entry where user_id = 'bob' and sequence > 3;
      delete from points.account where user_id = 'bob';
      insert into points.account select * from bob;
      drop table bob`);
    await expectConsistent();
    const { isSame, differences } = await compare(kept);
    expect(isSame).toBe(false);
    expect(differences).toMatchObject([
      { kept: { sequence: 4n }, found: { userId: "bob", sequence: 3n } },
    ]);
    // What came later does not cover it up.
    await run(database, [recharge("bob", 7n)], 3000n);
    expect((await compare(kept)).differences).toHaveLength(1);
  });

  test.each([1, 7, 18])("that a journal was rewritten from entry %i on", async (from) => {
    const kept = await take();
    await run(database, [recharge("ada", 1n)], 3000n);
    await dropChecks(database);
    await database.query(`update points.entry set caller = 'me' where ${ada(from)}`);
    await rehashAda(database, from);
    await rehashReceipts(database, "ada");
    expect((await verify(database.orm)).wrong).toEqual([]);
    const { isSame, differences } = await compare(kept);
    expect(isSame).toBe(false);
    expect(differences).toMatchObject([
      { kept: { sequence: 18n }, found: { userId: "ada", sequence: 18n } },
    ]);
  });

  test("that an account was added whose entries are said to be of before", async () => {
    const kept = await take();
    await run(database, [recharge("eve", 1n)], 3000n);
    await database.query(`
      update points.entry set feed = 3 where user_id = 'eve';
      update points.account set feed = 3 where user_id = 'eve'`);
    await expectConsistent();
    const { differences } = await compare(kept);
    expect(differences).toMatchObject([{ kept: undefined, found: { userId: "eve" } }]);
  });

  test("nothing of what came later", async () => {
    const kept = await take();
    await run(database, [recharge("ada", 1n), recharge("eve", 1n)], 3000n);
    await database.query(`update points.entry set caller = 'me' where ${ada(19)}`);
    expect(await compare(kept)).toEqual({ isSame: true, differences: [] });
  });
});

async function take() {
  await untilSettled(database);
  return takeNow();
}

async function takeNow() {
  const leaves: Leaf[] = [];
  const { place, root } = await readRoot(database.orm, readHorizon, (leaf) => {
    const { userId: _, ...rest } = leaf;
    leaves.push(rest);
  });
  return { place, root, leaves };
}

type Kept = Awaited<ReturnType<typeof take>>;

/** Compares by the root alone, and by the leaves. */
async function compare({ place, root, leaves }: Kept) {
  const choose = async () => place;
  const differences: Difference[] = [];
  const note = (one: Difference) => void differences.push(one);
  const alone = await compareRoot(database.orm, { choose, kept: { root } }, note);
  expect(differences).toEqual([]);
  async function* all() {
    yield* leaves;
  }
  const today = await compareRoot(database.orm, { choose, kept: { root, leaves: all } }, note);
  expect(today).toEqual(alone);
  return { isSame: isSameRoot(today, root), differences };
}

async function leafOf({ leaves }: Kept, userId: string): Promise<Leaf[]> {
  const last = (await entriesOf(database, userId)).at(-1)!;
  return leaves.filter(({ hash }) => hash.equals(last.hash));
}

/** Expects that the accounts alone do not show it. */
async function expectConsistent(): Promise<void> {
  expect(await verify(database.orm)).toMatchObject({ wrong: [], schema: [] });
}

/** A charge of each, as another server makes it. */
async function commit(userIds: readonly string[]): Promise<void> {
  const orm = await openOrm(database.url, 2);
  try {
    const charges = userIds.map((userId) => recharge(userId, 1n));
    await commitAll(orm, charges);
  } finally {
    await orm.close();
  }
}

async function isWaiting(): Promise<boolean> {
  const waiting = await database.query(`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`);
  return waiting.length > 0;
}

function leafBytes({ digest, sequence, hash }: Leaf): Buffer {
  const number = Buffer.from(sequence.toString(16).padStart(16, "0"), "hex");
  return Buffer.concat([digest, number, hash]);
}

/** RFC 6962's definition. */
function merkle(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0]!);
  const half = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return sha256(Buffer.of(1), merkle(leaves.slice(0, half)), merkle(leaves.slice(half)));
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}
