import pg from "pg";

/**
 * Transactions that wait for each other in a circle are broken up by PostgreSQL after a second, and
 * tried again: nobody is told, but nobody may have to wait for it.
 *
 * @throws an Error if there were any since PostgreSQL was last killed, which forgets their number
 */
export async function expectNoDeadlocks(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query(
      "select deadlocks::int from pg_stat_database where datname = current_database()",
    );
    const { deadlocks } = rows[0] as { deadlocks: number };
    if (deadlocks > 0) throw new Error(`there were ${deadlocks} deadlocks`);
  } finally {
    await client.end();
  }
}
