import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { commitAll } from "../support/commit-all.ts";
import { consume, recharge } from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { withCommas, TIMES } from "../support/times.ts";

const ROUNDS = 200 * TIMES;

let database: TestDatabase;
let other: Orm;
let holder: pg.Client;
beforeAll(async () => {
  database = await testDatabase();
  other = await openOrm(database.url, 2);
  holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
});
afterAll(async () => {
  await holder.end();
  await other.close();
  await database.close();
});

// One server's batch locks Ann, and so has its id, and waits for Ben, whom somebody holds. Meanwhile
// a batch of another server, which is younger, charges Cay and is done. Then the first charges Cay.
test(`each user's feed numbers rise though batches of two servers overlap, ${withCommas(ROUNDS)} times`, async () => {
  const of = (userId: string) => ({ ...consume(1n), userId });
  const all = ["ann", "ben", "cay"];
  await commitAll(
    database.orm,
    all.map((userId) => ({ ...recharge(2n * BigInt(ROUNDS)), userId })),
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    await holder.query("begin; select from points.account where user_id = 'ben' for update");
    const waiting = commitAll(database.orm, all.map(of));
    while (!(await isWaiting()));
    await commitAll(other, [of("cay")]);
    await holder.query("commit");
    await waiting;
  }

  const [counted] = await database.query(`
    select count(*) filter (where feed < before)::int as fallen,
      count(*) filter (where own_id < before)::int as overtaken,
      count(*) filter (where own_id > feed)::int as early
    from (
      select feed, xmin::text::bigint as own_id,
        lag(feed) over (partition by user_id order by sequence) as before
      from points.entry
    ) as entry`);
  expect(counted).toMatchObject({ fallen: 0, early: 0 });
  // By the bare id, the user's entries would be in another order. (A batch may give up its wait where
  // the machine stands still for two seconds.)
  expect(counted!["overtaken"]).toBeGreaterThan(ROUNDS / 2);
});

async function isWaiting(): Promise<boolean> {
  const waiting = await database.query(`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`);
  return waiting.length > 0;
}
