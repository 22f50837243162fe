import pg from "pg";
import type { TestDatabase } from "./database.ts";

/** A lock that somebody else holds on an account, so that what wants the account has to wait. */
export type HeldLock = {
  /** Resolves once a command waits for the lock: from then on it is in a transaction. */
  awaited(): Promise<void>;
  release(): Promise<void>;
};

/** Locks an account's row as a transaction of another program would. */
export async function holdLock(database: TestDatabase, userId: string): Promise<HeldLock> {
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

/** Resolves once some connection to this database waits for a lock. */
export async function lockAwaited(database: TestDatabase): Promise<void> {
  while (!(await isLockAwaited(database))) await new Promise(setImmediate);
}

/** Whether some connection to this database waits for a lock. */
export async function isLockAwaited({ query }: TestDatabase): Promise<boolean> {
  const sql = `select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return (await query(sql)).length > 0;
}
