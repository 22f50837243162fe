import { afterAll, beforeAll, expect, test } from "vitest";
import { consume, recharge } from "../support/commands.ts";
import { holdLock } from "../support/held-lock.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { commitAll } from "../support/commit-all.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test("a batch locks accounts in the order of their ids, whatever its own is", async () => {
  const userIds = "abcdefghijklm".split("");
  await commitAll(database.orm, userIds.map(open));
  const middle = userIds[6]!;
  const lock = await holdLock(database, middle);
  const batch = commitAll(database.orm, userIds.toReversed().map(open));
  await lock.awaited();
  const free = await database.query(
    "select user_id from points.account order by user_id for update skip locked",
  );
  expect(free.map(({ user_id }) => user_id)).toEqual(userIds.slice(7));
  await lock.release();
  expect(await batch).toHaveLength(userIds.length);
});

test("a batch that waited for an account writes it where the one before left it", async () => {
  const userId = "zoe";
  await commitAll(database.orm, [{ ...recharge(100n), userId }]);
  const batches = Array.from({ length: 20 }, () =>
    commitAll(database.orm, [{ ...consume(1n), userId }]),
  );
  const results = (await Promise.all(batches)).flat();
  expect(results.filter((result) => "account" in result)).toHaveLength(20);
  const [account] = await database.query("select * from points.account where user_id = 'zoe'");
  expect(account).toMatchObject({ sequence: "21", balance: "80" });
});

function open(userId: string) {
  return { kind: "open", userId } as const;
}
