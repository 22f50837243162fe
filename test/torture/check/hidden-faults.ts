import { readFile } from "node:fs/promises";
import pg from "pg";

// Faults that no caller notices, because the servers retry: bugs in the log, and deadlocks.

const SHOWN_MAX = 3;

/**
 * Checks the logs for bugs. A batch that meets a bug is halved, and the halves may succeed: then only
 * the log shows the bug.
 *
 * @param logFiles the servers' logs at level warn and above
 * @throws an Error with the first log lines of bugs
 */
export async function expectNoBugs(logFiles: readonly string[]): Promise<void> {
  const logs = await Promise.all(logFiles.map((file) => readFile(file, "utf8")));
  const bugs = logs
    .flatMap((log) => log.split("\n"))
    .filter((line) => line.includes('"fault":"bug"') || line.includes('"msg":"a call failed"'));
  if (bugs.length === 0) return;
  throw new Error(`the servers met ${bugs.length} bugs:\n${bugs.slice(0, SHOWN_MAX).join("\n")}`);
}

/**
 * Checks that there were no deadlocks. PostgreSQL ends one after a second, and the batch is repeated:
 * no caller sees it, but callers wait.
 *
 * @throws an Error if there were any since PostgreSQL was last killed, which resets the counter
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
