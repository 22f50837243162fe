import { afterAll, beforeAll, expect, test } from "vitest";
import { commit, DatabaseUnavailable } from "../../src/commit/commit.ts";
import { auditDatabase } from "../support/audit.ts";
import { consume, recharge } from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await database.query("drop trigger end_session on points.entry");
  await auditDatabase(database.url);
  await database.close();
});

test("a command whose entry ends the session of its batch keeps none of its neighbours from being applied", async () => {
  const users = ["ada", "bob", "poison", "cyd", "dan"];
  await commit(
    database.orm,
    users.map((userId) => ({ ...recharge(5n), userId })),
  );
  await database.query(`
    create function points.end_session() returns trigger language plpgsql as $$
      begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;
    create trigger end_session before insert on points.entry for each row
      when (new.user_id = 'poison') execute function points.end_session()`);
  const results = await commit(
    database.orm,
    users.map((userId) => ({ ...consume(1n), userId })),
  );
  const applied = { account: { balance: 4n } };
  expect(results).toMatchObject([applied, applied, { outcome: "NOT_APPLIED" }, applied, applied]);
  expect(results[2]).toBeInstanceOf(DatabaseUnavailable);
});
