import { beforeEach, describe, expect, test } from "vitest";
import { verify } from "../../src/verify/verify.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { consume, entriesOf, expireDue, JOURNAL, live, recharge, run } from "./life.ts";

// Other tests rely on `verify`. damage.test.ts, receipts.test.ts, schema.test.ts and forgery.test.ts
// show that it finds the flaws that they would not see.

const NONE = { wrong: [], schema: [] };

/** One epoch, which has all entries. */
const epochOf = (entries: number) => {
  const beginTime = expect.any(BigInt) as unknown;
  return [{ epoch: 1, beginTime, entries }];
};

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await live(database);
  return () => database.close();
});

describe("verify", () => {
  test("finds accounts with entries of every kind in order", async () => {
    expect(await journal("ada")).toEqual(JOURNAL);
    const progress: unknown[] = [];
    const onProgress = (read: object) => progress.push({ ...read });
    const verified = await verify(database.orm, { onProgress });
    const entries = JOURNAL.length + 3;
    expect(verified).toEqual({ accounts: 4, entries, epochs: epochOf(entries), ...NONE });
    expect(progress.at(-1)).toMatchObject({ accounts: 4, entries: JOURNAL.length + 3 });
  });

  test("reads the accounts that it is asked for, and names those that do not exist", async () => {
    const userIds = ["bob", "nobody", "cleo", "bob"];
    const wrong = [{ userId: "nobody", what: "there is no such account" }];
    const found = { accounts: 2, entries: 3, epochs: epochOf(3), wrong, schema: [] };
    expect(await verify(database.orm, { userIds })).toEqual(found);
    expect(await verify(database.orm, { userIds: [] })).toMatchObject({ accounts: 0 });
  });

  test("finds no flaw while accounts are being written", async () => {
    let isOver = false;
    let written = 0;
    const writing = (async () => {
      for (let time = 10_000n; !isOver; time += 1n) {
        const batch = ["ada", "bob", `new-${time}`].flatMap((userId) => [
          recharge(userId, 3n),
          consume(userId, 2n),
        ]);
        await run(database, batch, time);
        written += batch.length;
      }
    })();
    for (let times = 0; times < 20 || written < 100; times += 1) {
      expect(await verify(database.orm)).toMatchObject({ wrong: [] });
    }
    isOver = true;
    await writing;
  });

  test("finds many pages of accounts and of entries in order, and flaws among them", async () => {
    const users = Array.from({ length: 1_300 }, (_, index) => `user-${index}`);
    const few = users.flatMap((userId) => [recharge(userId, 5n), consume(userId, 1n)]);
    const many = Array.from({ length: 4_500 }, (_, index) => {
      return index % 2 === 0 ? recharge("busy", 3n) : consume("busy", 3n);
    });
    await run(database, [...few, ...many], 0n);
    const expires = Array.from({ length: 2_500 }, (_, index) => expireDue("busy", `r-${index}`));
    await run(database, expires, 1n);
    const entries = JOURNAL.length + 3 + few.length + many.length;
    expect(await verify(database.orm)).toEqual({
      accounts: 1_305,
      entries,
      epochs: epochOf(entries),
      ...NONE,
    });

    await database.query("insert into points.lot values ('busy', 3, 3, 1, 0, 0, null)");
    await database.query("delete from points.entry where user_id = 'user-700' and sequence = 2");
    await database.query("delete from points.receipt where user_id = 'dan' and number = 2");
    const verified = await verify(database.orm);
    expect(verified).toMatchObject({ accounts: 1_305, entries: entries - 1 });
    expect(verified.wrong.map(({ userId, sequence }) => [userId, sequence])).toEqual([
      ["busy", 3n],
      ["dan", undefined],
      ["user-700", 2n],
    ]);
  });
});

async function journal(userId: string) {
  return (await entriesOf(database, userId)).map(({ sequence, kind, points, allocations }) => {
    const parts = allocations.map((part) => `${part.points} of #${part.lot}`).join(", ");
    return `${sequence} ${kind} ${points}: ${parts}`;
  });
}
