import pg from "pg";
import { LOCK_MAX_MS } from "../../src/store/driver/session.ts";
import type { TestDatabase } from "./database.ts";

/** A row lock that a test holds on an account, so that commands on the account must wait. */
export type HeldLock = {
  /** Resolves once a command waits for the lock, and so is in a transaction. */
  awaited(): Promise<void>;
  release(): Promise<void>;
};

/**
 * Locks an account's row, as another program's transaction would. The pool of `database` waits for
 * it for a minute: on a slow machine a test may hold it longer than the two seconds of a server.
 */
export async function holdLock(database: TestDatabase, userId: string): Promise<HeldLock> {
  await waitFor(database, 60_000);
  const lock = await holdLockInTime(database, userId);
  return {
    ...lock,
    async release() {
      await waitFor(database, LOCK_MAX_MS);
      await lock.release();
    },
  };
}

/** Locks the row likewise; a command gives up when its lock timeout is over. */
export async function holdLockInTime(database: TestDatabase, userId: string): Promise<HeldLock> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query("begin");
  const found = await client.query("select from points.account where user_id = $1 for update", [
    userId,
  ]);
  if (found.rowCount !== 1) throw new Error(`${userId} has no account to lock`);
  return {
    awaited: () => lockAwaited(database),
    async release() {
      await client.query("rollback");
      await client.end();
    },
  };
}

/** Resolves once any connection to this database waits for a lock. */
export async function lockAwaited(database: TestDatabase): Promise<void> {
  while (!(await isLockAwaited(database))) await new Promise(setImmediate);
}

/** Whether any connection to this database waits for a lock. */
export async function isLockAwaited({ query }: TestDatabase): Promise<boolean> {
  const sql = `select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return (await query(sql)).length > 0;
}

/** Sets the lock timeout of each connection that the pool lends from now on. */
async function waitFor({ orm }: TestDatabase, milliseconds: number): Promise<void> {
  const pool = await orm.driver.getConnection().getNativeClient();
  pool.removeAllListeners("acquire").on("acquire", (client) => {
    client.query(`set lock_timeout = ${milliseconds}`).catch(() => {});
  });
}
