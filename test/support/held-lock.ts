import pg from "pg";
import type { TestDatabase } from "./database.ts";

/** A row lock that a test holds on an account, so that commands on the account must wait. */
export type HeldLock = {
  /** Resolves once a command waits for the lock, and so is in a transaction. */
  awaited(): Promise<void>;
  release(): Promise<void>;
};

/** Locks an account's row, as another program's transaction would. */
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

/** Resolves once any connection to this database waits for a lock. */
export async function lockAwaited({ query }: TestDatabase): Promise<void> {
  const sql = `select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  while ((await query(sql)).length === 0) await new Promise(setImmediate);
}
