import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { erase } from "../../src/commit/erase.ts";
import { NO_TURN, takeTurn } from "../../src/projection/turn.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { consume, named, recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/processes.ts";
import { expectProjected, projectAll } from "../support/projected.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

const KEYS = ["order"];

test("what is erased is out of the index, and counts under the new names", async () => {
  const database = await opened();
  await live(database, "ada");
  await live(database, "bob");
  await projectAll(database, KEYS);
  await live(database, "ada");
  const { userId } = await erase(database.orm, "ada");
  await expectProjected(database.query);
  const before = await sumsOf(database, userId);
  expect(before).toMatchObject([{ points: "99" }, { points: "7" }, { points: "8" }]);
  expect(await namesIn(database)).toEqual([
    "bea",
    "bob",
    "cyd",
    expect.stringMatching(/^erased-/),
    expect.stringMatching(/^erased-/),
    userId,
  ]);

  await projectAll(database, KEYS);
  expect(await expectProjected(database.query)).toBe(10);
  expect(await sumsOf(database, userId)).toMatchObject([
    { points: "198" },
    { points: "14" },
    { points: "16" },
    { points: "0" },
  ]);
});

// On a slow machine the step gives up before the erasure has come.
test(
  "an erasure waits for the step under way, and takes what it has added",
  { retry: 5 },
  async () => {
    const database = await opened();
    await live(database, "ada");
    await projectAll(database, KEYS);
    await live(database, "ada");
    const other = await openOrm(database.url, 2);
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    onTestFinished(async () => {
      await holder.end();
      await other.close();
    });

    // The step has read the entries, and waits for a sum.
    await holder.query("begin; select from points.entry_sum where user_id = '' for update");
    let isErased = false;
    const stepping = turnThatAdds(database, other);
    await until("the step waits", async () => (await waiting(database)) === 1);
    const erasing = erase(database.orm, "ada").then(() => (isErased = true));
    await until("the erasure waits, or is done", async () => {
      return isErased || (await waiting(database)) === 2;
    });
    expect(isErased).toBe(false);
    await holder.query("commit");
    await Promise.all([stepping, erasing]);
    await projectAll(database, KEYS);
    expect(await expectProjected(database.query)).toBe(7);
  },
);

/**
 * Takes turns until one adds entries: transactions of other databases may hold the horizon back, and a
 * step that waits for too long gives up.
 */
async function turnThatAdds({ query }: TestDatabase, orm: Orm): Promise<void> {
  for (let [added, state] = [0, NO_TURN]; added === 0;) {
    await query("update points.projection set step_time = null");
    const turn = await takeTurn(orm, state, KEYS);
    ({ state } = turn);
    if (turn.step.kind === "done") added = turn.step.entries;
  }
}

test("users are erased while projectors go on", async () => {
  const database = await opened();
  const users = Array.from({ length: 12 }, (_, at) => `user-${at}`);
  for (const userId of users) await live(database, userId);
  const other = await openOrm(database.url, 3);
  onTestFinished(() => other.close());
  let isOver = false;
  const projecting = (async () => {
    for (let state = NO_TURN; !isOver;) {
      await database.query("update points.projection set step_time = null");
      ({ state } = await takeTurn(other, state, KEYS));
    }
  })();
  for (const userId of users) {
    await live(database, "zoe");
    await erase(database.orm, userId);
  }
  isOver = true;
  await projecting;
  await projectAll(database, KEYS);
  expect(await expectProjected(database.query)).toBe(12 * 4 + 12 * 3);
  expect((await namesIn(database)).filter((name) => name.startsWith("user-"))).toEqual([]);
});

/** Three entries of one quarter of an hour, of which two have members, and all that is indexed. */
async function live({ orm }: TestDatabase, userId: string): Promise<void> {
  calls += 1;
  const said = { userId, metadata: new Map([["order", `order-${calls}`]]), actor: "Ana" };
  const commands = [
    { ...named(recharge(99n), `r${calls}`), ...said },
    { ...named(consume(7n), `a${calls}`), ...said, member: "bea" },
    { ...named(consume(8n), `b${calls}`), ...said, member: "cyd" },
  ];
  await commitAll(orm, commands, { clock: stoppedClock(NOW) });
}
let calls = 0;

async function sumsOf({ query }: TestDatabase, userId: string) {
  return query(
    "select points from points.entry_sum where user_id = $1 order by kind, points::bigint",
    [userId],
  );
}

/** All users and members that the tables name. */
async function namesIn({ query }: TestDatabase): Promise<string[]> {
  const rows = await query(`
    select user_id as name from points.search_term
    union select user_id from points.entry_sum
    union select member from points.entry_sum
    order by name`);
  return rows.map(({ name }) => String(name)).filter((name) => name !== "");
}

async function waiting({ query }: TestDatabase): Promise<number> {
  const rows = await query(`select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`);
  return rows.length;
}

async function opened(): Promise<TestDatabase> {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  return database;
}
