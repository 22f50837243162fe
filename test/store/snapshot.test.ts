import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inLongSnapshot, inSnapshot, type Run } from "../../src/store/driver/transaction.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/processes.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test("a snapshot ends if nothing is read in it for a minute, unless it may be idle", async () => {
  expect(await inSnapshot(database.orm, idleMax)).toBe("1min");
  expect(await inLongSnapshot(database.orm, idleMax)).toBe("0");
});

test("a reader that is frozen in a snapshot does not hold it, and is told", async () => {
  const frozen = inSnapshot(
    database.orm,
    async (run) => {
      const { rows } = await run(sql<{ pid: number }>`select pg_backend_pid() as pid`);
      await until("its session has ended", async () => {
        const found = await database.query("select from pg_stat_activity where pid = $1", [
          rows[0]!.pid,
        ]);
        return found.length === 0;
      });
      return idleMax(run);
    },
    20,
  );
  await expect(frozen).rejects.toThrow();
  expect(await inSnapshot(database.orm, idleMax)).toBe("1min");
});

async function idleMax(run: Run): Promise<string> {
  const { rows } = await run(sql<{ most: string }>`
    select current_setting('idle_in_transaction_session_timeout') as most`);
  return rows[0]!.most;
}
