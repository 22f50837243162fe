import { timestampDate } from "@bufbuild/protobuf/wkt";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { commitAll } from "../support/commit-all.ts";
import { consume, recharge } from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { withCommas, TIMES } from "../support/times.ts";

const ROUNDS = 200 * TIMES;

let database: TestDatabase;
let other: Orm;
let holder: pg.Client;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  other = await openOrm(database.url, 2);
  holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  server = await testServer({}, database);
});
afterAll(async () => {
  await server.stop();
  await holder.end();
  await other.close();
  await database.close();
});

// One server's batch locks Ann, and so has its id, and waits for Ben, whom somebody holds. Meanwhile
// a batch of another server, which is younger, charges Cay and is done. Then the first charges Cay.
test(`each user's sequence rises by one in the stream though batches of two servers overlap, ${withCommas(ROUNDS)} times`, async () => {
  const of = (userId: string) => ({ ...consume(1n), userId });
  const all = ["ann", "ben", "cay"];
  const follower = follow();
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

  const [{ time }] = (await database.query("select clock_timestamp() as time")) as [{ time: Date }];
  expect(await follower.until(time)).toEqual({
    misplaced: [],
    lasts: { ann: BigInt(ROUNDS + 1), ben: BigInt(ROUNDS + 1), cay: BigInt(2 * ROUNDS + 1) },
  });

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

/** Follows the stream from its beginning, with a look at the order in it. */
function follow() {
  const lasts: Record<string, bigint> = {};
  const misplaced: string[] = [];
  let end: Date | undefined;
  const stream = server.client.streamEntries({ cursor: "0" });
  const following = (async () => {
    for await (const { entries, caughtUpTo } of stream) {
      for (const { userId, sequence } of entries) {
        if (sequence !== (lasts[userId] ?? 0n) + 1n) misplaced.push(`${userId} ${sequence}`);
        lasts[userId] = sequence;
      }
      const upTo = caughtUpTo && timestampDate(caughtUpTo);
      if (end !== undefined && upTo !== undefined && upTo > end) return { lasts, misplaced };
    }
    throw new Error("the stream has ended");
  })();
  following.catch(() => {}); // Whoever awaits it is told.
  return {
    /** Ends when it has caught up to that time. */
    until(time: Date) {
      end = time;
      return following;
    },
  };
}

async function isWaiting(): Promise<boolean> {
  const waiting = await database.query(`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`);
  return waiting.length > 0;
}
