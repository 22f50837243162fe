import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import type { Answer } from "../../src/ledger/batch.ts";
import { toTimestamptz } from "../../src/store/driver/instant.ts";
import { auditDatabase } from "../support/audit.ts";
import { recharge } from "../support/commands.ts";
import { testDatabase } from "../support/database.ts";
import { lockAwaited } from "../support/held-lock.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

test("each new account has a salt of its own, which no charge changes", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const salts = async () => {
    const rows = await database.query("select salt from points.account order by user_id");
    return rows.map(({ salt }) => (salt as Buffer).toString("hex"));
  };
  const [ada, bob] = [recharge(5n), { ...recharge(5n), userId: "bob" }];
  await commit(database.orm, [ada, bob]);
  const made = await salts();
  expect(new Set([...made, "00".repeat(16)]).size).toBe(3);
  const results = await commit(database.orm, [ada, bob, { kind: "open", userId: "eve" }]);
  const shown = results.map((result) => (result as Answer).account.salt);
  expect((await salts()).slice(0, 2)).toEqual(made);
  expect(shown.map((salt) => Buffer.from(salt).toString("hex"))).toEqual(await salts());
  await auditDatabase(database.url);
});

test("an account that another server makes meanwhile is found at the next attempt", async () => {
  const database = await testDatabase();
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  onTestFinished(async () => {
    await other.end();
    await database.close();
  });
  await other.query("begin");
  await other.query(
    `insert into points.account (user_id, sequence, balance, frozen, total_recharged, total_consumed,
       total_expired, total_refunded, hash, salt, create_time, update_time)
     values ('ada', 0, 0, 0, 0, 0, 0, 0, $1, $3, $2, $2)`,
    [Buffer.alloc(32), toTimestamptz(NOW), Buffer.alloc(16)],
  );

  const result = commit(database.orm, [recharge(5n)], { clock: stoppedClock(NOW) });
  await lockAwaited(database);
  await other.query("commit");

  expect(await result).toMatchObject([
    { entry: { sequence: 1n, points: 5n }, account: { balance: 5n }, created: false },
  ]);
  await auditDatabase(database.url);
});
