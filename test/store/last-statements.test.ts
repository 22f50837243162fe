import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { inTransaction, RolledBack } from "../../src/store/driver/transaction.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

// A transaction's last statements are sent together with its COMMIT.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  await database.query("create table points.kept (number bigint primary key)");
});
afterAll(() => database.close());
beforeEach(() => database.query("delete from points.kept"));

test("they are committed", async () => {
  let ran = 0;
  await commitWith([insert("1"), insert("2")], () => (ran += 1));
  expect(await kept()).toEqual(["1", "2"]);
  expect(ran).toBe(1);
});

test("if one of them fails, none is kept, and its error is the cause", async () => {
  let ran = 0;
  const failed = commitWith([insert("1"), insert("1"), insert("2")], () => (ran += 1));
  await expect(failed).rejects.toBeInstanceOf(RolledBack);
  await expect(failed).rejects.toMatchObject({ cause: { constraint: "kept_pkey" } });
  expect(await kept()).toEqual([]);
  expect(ran).toBe(0);
});

test("if one of them cannot be made, none is sent", async () => {
  const number = 2 as unknown as string;
  const failed = commitWith([insert("1"), insert(number), insert("3")]);
  await expect(failed).rejects.toThrow("a value is no text nor bytes");
  expect(await kept()).toEqual([]);
});

test("nothing can be sent after them", async () => {
  await inTransaction(database.orm, async ({ run, commit }) => {
    await commit([insert("1")]);
    await expect(run(insert("2"))).rejects.toThrow("the transaction has ended");
  });
  expect(await kept()).toEqual(["1"]);
});

function insert(number: string) {
  return sql`insert into points.kept values (${number}::bigint)`;
}

function commitWith(last: readonly ReturnType<typeof insert>[], onRun?: () => void) {
  return inTransaction(database.orm, ({ commit }) => commit(last, onRun));
}

async function kept() {
  const rows = await database.query("select number from points.kept order by number");
  return rows.map(({ number }) => number);
}
