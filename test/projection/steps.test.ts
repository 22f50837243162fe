import pg from "pg";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { startProjector } from "../../src/projection/projector.ts";
import { NO_TURN, takeTurn } from "../../src/projection/turn.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import type { Run } from "../../src/store/driver/transaction.ts";
import { emptyProjection } from "../../src/store/projection/rebuild.ts";
import { readStanding } from "../../src/store/projection/standing.ts";
import { consume, recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { lockAwaited } from "../support/held-lock.ts";
import { until } from "../support/processes.ts";
import { expectProjected, projectAll } from "../support/projected.ts";

const KEYS = ["order"];

test("a long history is built in steps that are bounded, and none counts an entry of another", async () => {
  const database = await opened();
  await commitAll(database.orm, [recharge(1n)]);
  // Feed numbers before that entry's.
  await database.query(`
    insert into points.entry (sequence, points, balance, total_recharged, total_consumed, create_time,
      feed, epoch, kind, user_id, hash, caller)
    select 1, 5, 5, 5, 0, '2026-11-29'::timestamptz + at * interval '100 ms', 1 + at / 100, 1, 1,
      'user-' || at, sha256(int4send(at)), 'web'
    from generate_series(0, 49999) as at`);
  await database.query(UNPACED);
  const counts: number[] = [];
  let state = NO_TURN;
  do {
    const turn = await takeTurn(database.orm, state, []);
    ({ state } = turn);
    if (turn.step.kind === "done") counts.push(turn.step.entries);
  } while (state.isBehind);
  expect(Math.max(...counts)).toBeLessThanOrEqual(20_000);
  await projectAll(database);
  expect(await expectProjected(database.query)).toBe(50_001);
});

test("what is far behind the last entry is come to in few steps, however much it is", async () => {
  const database = await opened();
  await commitAll(database.orm, [recharge(1n)]);
  await database.query(`
    insert into points.entry (sequence, points, balance, total_recharged, total_consumed, create_time,
      feed, epoch, kind, user_id, hash, caller)
    select 1, 5, 5, 5, 0, '2026-11-29', 2 ^ 40 + at, 1, 1, 'user-' || at, sha256(int4send(at)), 'web'
    from generate_series(0, 29999) as at`);
  await database.query("update points.epoch set system_identifier = 1");
  const next = await openOrm(database.url, 4);
  onTestFinished(() => next.close());
  await commitAll(next, [recharge(2n)]);
  await database.query("update points.entry set feed = 5 where epoch = 2");
  await database.query(UNPACED);
  const counts: number[] = [];
  let state = NO_TURN;
  do {
    const turn = await takeTurn(next, state, []);
    ({ state } = turn);
    if (turn.step.kind === "done") counts.push(turn.step.entries);
  } while (state.isBehind);
  expect(counts.filter((count) => count > 0)).toEqual([1, 10_000, 20_000, 1]);
  expect(counts.length).toBeLessThan(20);
  expect(await expectProjected(database.query)).toBe(30_002);
});

test("tables that a dump has from a rebuild are built anew, with a warning", async () => {
  const database = await opened();
  await commitAll(database.orm, [{ ...recharge(9n), metadata: new Map([["order", "7"]]) }]);
  await projectAll(database, KEYS);
  const snapshot = new pg.Client({ connectionString: database.url });
  await snapshot.connect();
  onTestFinished(() => snapshot.end());
  await snapshot.query("begin isolation level repeatable read; select from points.projection");
  await emptyProjection(database.orm, undefined);
  const read: Run = async (statement) => {
    const { sql, parameters } = statement.compile(database.orm.em.getKysely());
    return (await snapshot.query(sql, [...parameters])) as never;
  };
  const { isMarked, caughtUpTo, searchKeys } = await readStanding(read);
  expect({ isMarked, caughtUpTo, searchKeys }).toEqual({ isMarked: false, searchKeys: KEYS });
  await snapshot.query("rollback");

  await database.query("delete from points.entry_sum; update points.projection set feed = 1000000");
  const warnings: string[] = [];
  const projector = startProjector(
    database.orm,
    [],
    pino(
      { level: "warn" },
      {
        write: (line) => {
          warnings.push(line);
        },
      },
    ),
  );
  await until("it has told", async () => warnings.length > 0);
  await projector.stop();
  expect(warnings[0]).toContain("they are built anew");
  await projectAll(database);
  expect(await expectProjected(database.query)).toBe(1);
});

test("an entry whose transaction is overtaken is not missed", async () => {
  const database = await opened();
  const of = (userId: string) => ({ ...consume(1n), userId });
  const all = ["ann", "ben", "cay"];
  await commitAll(
    database.orm,
    all.map((userId) => ({ ...recharge(9n), userId })),
  );
  const other = await openOrm(database.url, 2);
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  onTestFinished(async () => {
    await holder.end();
    await other.close();
  });

  // One batch locks Ann, and so has its id, and waits for Ben; a younger one charges Cay, and is done.
  await holder.query("begin; select from points.account where user_id = 'ben' for update");
  const waiting = commitAll(other, [of("ann"), of("ben")]);
  await lockAwaited(database);
  const [before] = await database.query("select clock_timestamp()::text as now");
  await commitAll(database.orm, [of("cay")]);
  await takeTurns(database);
  // It does not say that it has what it has not.
  const [is] = await database.query(
    "select coalesce(caught_up_to > $1, false) as ahead from points.projection",
    [before!["now"]],
  );
  expect(is).toEqual({ ahead: false });
  await expectProjected(database.query);
  await holder.query("commit");
  await waiting;
  await projectAll(database, KEYS);
  expect(await expectProjected(database.query)).toBe(6);
});

test("the entries of an epoch that has ended are added, and then those of the next one", async () => {
  const database = await opened();
  await commitAll(database.orm, [recharge(9n), consume(1n)]);
  await projectAll(database, KEYS);
  await commitAll(database.orm, [consume(2n)]);
  // As a dump in another cluster begins it: the numbers of transactions begin anew.
  await database.query("update points.epoch set system_identifier = 1");
  const next = await openOrm(database.url, 4);
  onTestFinished(() => next.close());
  await commitAll(next, [consume(3n)]);
  await database.query("update points.entry set feed = 5 where epoch = 2");
  await projectAll({ ...database, orm: next }, KEYS);
  expect(await expectProjected(database.query)).toBe(4);
  expect(await database.query("select epoch from points.projection")).toEqual([{ epoch: 2 }]);

  // A connection to what was the primary before moves nothing.
  await database.query("update points.projection set step_time = null");
  const turn = await takeTurn(database.orm, NO_TURN, KEYS);
  expect(turn.step).toEqual({ kind: "not now" });
});

test("nothing is counted twice or missed while two projectors, charges and rebuilds contend", async () => {
  const database = await opened();
  const users = Array.from({ length: 30 }, (_, at) => `user-${at}`);
  await commitAll(
    database.orm,
    users.map((userId) => ({ ...recharge(1_000n), userId })),
  );
  await database.query(UNPACED);
  let isOver = false;
  const others = await Promise.all([0, 1].map(() => openOrm(database.url, 3)));
  const projecting = others.map(async (orm) => {
    let [steps, state] = [0, NO_TURN];
    while (!isOver) {
      const turn = await takeTurn(orm, state, KEYS);
      ({ state } = turn);
      if (turn.step.kind === "done") steps += 1;
    }
    return steps;
  });
  for (let rebuilds = 0; rebuilds < 4; rebuilds += 1) {
    await chargeUntilMoved(database, users, 3);
    await emptyProjection(database.orm, KEYS);
  }
  await chargeUntilMoved(database, users, 3);
  isOver = true;
  const steps = await Promise.all(projecting);
  await Promise.all(others.map((orm) => orm.close()));
  expect(Math.min(...steps)).toBeGreaterThan(0);
  await projectAll(database, KEYS);
  const [counted] = await database.query("select count(*)::integer as entries from points.entry");
  expect(await expectProjected(database.query)).toBe(counted!["entries"]);
});

test("a step that takes too long is tried again with less", async () => {
  const database = await opened();
  await commitAll(database.orm, [recharge(9n)]);
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  onTestFinished(() => holder.end());
  await holder.query("begin; lock table points.search_term in share mode");
  const slow = await takeTurn(database.orm, { ...NO_TURN, width: 2n ** 40n }, KEYS);
  expect(slow).toMatchObject({ step: { kind: "not now" }, state: { width: 64n, isBehind: true } });
  await holder.query("rollback");
  await projectAll(database, KEYS);
  expect(await expectProjected(database.query)).toBe(1);
});

/** Enough turns to come to the horizon. */
async function takeTurns({ orm, query }: TestDatabase): Promise<void> {
  let state = NO_TURN;
  for (let turns = 0; turns < 6; turns += 1) {
    await query("update points.projection set step_time = null");
    ({ state } = await takeTurn(orm, state, KEYS));
  }
}

// Some hundred times as many as it takes.
const ROUNDS_MAX = 5_000;

/** Charges until the place has been moved so many times. */
async function chargeUntilMoved(
  { orm, query }: TestDatabase,
  users: readonly string[],
  times: number,
): Promise<void> {
  const place = async () =>
    (await query("select concat(epoch, ' ', feed) as at from points.projection"))[0]!["at"];
  const seen = new Set([await place()]);
  for (let rounds = 0; seen.size <= times; rounds += 1) {
    if (rounds === ROUNDS_MAX) throw new Error("nobody projects");
    await commitAll(
      orm,
      users.map((userId) => ({
        ...consume(1n, "take"),
        userId,
        metadata: new Map([["order", userId]]),
      })),
    );
    seen.add(await place());
  }
}

/** Has each step be due at once, whatever the last one says. */
const UNPACED = `
  create function points.unpaced() returns trigger language plpgsql as $$
    begin new.step_time := null; return new; end $$;
  create trigger unpaced before update on points.projection
    for each row execute function points.unpaced()`;

async function opened(): Promise<TestDatabase & { readonly orm: Orm }> {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  return database;
}
