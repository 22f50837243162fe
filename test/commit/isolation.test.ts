import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import { type BatchObserver, UNOBSERVED } from "../../src/commit/observer.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { migrate, pendingMigrations } from "../../src/store/schema/migrate.ts";
import { consume, recharge } from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { lockAwaited } from "../support/held-lock.ts";

// A role or a database may have a stricter isolation level, at which a transaction fails if another
// one changed the row that it waited for.

const levels = ["repeatable read", "serializable"];

test.for(levels)("%s: a batch that waits for an account goes on when it is free", async (level) => {
  const database = await databaseAt(level, {});
  const [orm] = await connect(database, 1);
  // As behind a pooler that drops the settings with which we begin a session.
  await orm!.em.getConnection().execute(`set default_transaction_isolation = '${level}'`);
  await commit(orm!, [recharge(100n)]);
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  await other.query("begin isolation level read committed");
  await other.query("update points.account set update_time = update_time");
  const tried: unknown[] = [];
  const call = commit(orm!, [consume(5n)], { observer: noting(tried) });
  await lockAwaited(database);
  await other.query("commit");
  await other.end();
  expect(await call).toMatchObject([{ entry: { sequence: 2n } }]);
  expect(tried).toEqual([]);
});

test.for(levels)("%s: two servers charge one account without a second try", async (level) => {
  const database = await databaseAt(level, {});
  const orms = await connect(database, 2);
  await commit(orms[0]!, [recharge(1_000n)]);
  const tried: unknown[] = [];
  await Promise.all(
    orms.map(async (orm) => {
      for (let turn = 0; turn < 50; turn += 1) {
        const results = await commit(orm, [consume(5n)], { observer: noting(tried) });
        expect(results).toMatchObject([{ replayed: false }]);
      }
    }),
  );
  expect(tried).toEqual([]);
  expect(await database.query("select balance from points.account")).toEqual([{ balance: "500" }]);
});

test.for(levels)("%s: replicas that start at once migrate once", async (level) => {
  const database = await databaseAt(level, { empty: true });
  const orms = await connect(database, 4);
  const ran = await Promise.all(orms.map((orm) => migrate(orm)));
  expect(ran.filter((names) => names.length > 0)).toHaveLength(1);
  expect(await pendingMigrations(database.orm.em.fork())).toEqual([]);
});

/** A database whose default isolation level is this one. */
async function databaseAt(level: string, options: { empty?: boolean }): Promise<TestDatabase> {
  const database = await testDatabase(options);
  onTestFinished(() => database.close());
  await database.query(`do $$ begin execute format(
    'alter role %I in database %I set default_transaction_isolation = ''${level}''',
    current_user, current_database()); end $$`);
  return database;
}

async function connect({ url }: TestDatabase, count: number): Promise<Orm[]> {
  const orms = await Promise.all(Array.from({ length: count }, () => openOrm(url, 2)));
  onTestFinished(async () => {
    await Promise.all(orms.map((orm) => orm.close()));
  });
  return orms;
}

function noting(tried: unknown[]): BatchObserver {
  return { ...UNOBSERVED, retried: (_, error) => void tried.push(error) };
}
