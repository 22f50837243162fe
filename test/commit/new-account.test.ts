import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import { toTimestamptz } from "../../src/store/driver/instant.ts";
import { auditDatabase } from "../support/audit.ts";
import { recharge } from "../support/commands.ts";
import { testDatabase } from "../support/database.ts";
import { lockAwaited } from "../support/held-lock.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

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
