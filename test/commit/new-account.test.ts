import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase } from "../support/database.ts";

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
    `insert into points.account values ('ada', 0, 0, 0, 0, 0, 0, 0, $1, now(), now())`,
    [Buffer.alloc(32)],
  );

  const result = commit(database.orm, [
    {
      kind: "recharge",
      userId: "ada",
      request: undefined,
      metadata: new Map(),
      caller: "",
      points: 5n,
      priority: 0,
      expiration: { kind: "never" },
    },
  ]);
  const waiting = `select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  while ((await database.query(waiting)).length === 0) await new Promise(setImmediate);
  await other.query("commit");

  expect(await result).toMatchObject([
    { entry: { sequence: 1n, points: 5n }, account: { balance: 5n }, created: false },
  ]);
  await auditDatabase(database.url);
});
