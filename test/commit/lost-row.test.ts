import { expect, onTestFinished, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import { consume, recharge } from "../support/commands.ts";
import { testDatabase } from "../support/database.ts";

test("a batch that finds a row of its own no more is not committed", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  await commit(database.orm, [recharge(5n)]);
  await database.query(
    `create function points.lose() returns trigger language plpgsql as
      $$ begin return null; end $$`,
  );
  await database.query(
    `create trigger lose before update on points.lot
      for each row execute function points.lose()`,
  );

  const [failed] = await commit(database.orm, [consume(1n)]);

  expect(String((failed as Error).cause)).toContain("a lot of a locked account is gone");
  expect(await database.query("select balance, sequence from points.account")).toEqual([
    { balance: "5", sequence: "1" },
  ]);
  expect(await database.query("select from points.entry")).toHaveLength(1);
});
