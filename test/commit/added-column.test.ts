import { afterAll, beforeAll, expect, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import type { Command } from "../../src/ledger/command.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { consume, freeze, named, recharge, refund, release, settle } from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

// A later version's migration only adds, and servers of this version run on meanwhile.

const HOUR = 3_600_000_000n;

let database: TestDatabase;
let orm: Orm;
beforeAll(async () => {
  database = await testDatabase();
  // The only connection for batches keeps its prepared statements.
  orm = await openOrm(database.url, 2);
});
afterAll(async () => {
  await orm.close();
  await database.close();
});

test("a server goes on where each table gets another column", async () => {
  await applyEach("before");
  for (const table of ["account", "lot", "hold", "entry", "undone", "receipt", "epoch"]) {
    await database.query(`alter table points.${table} add column later text`);
  }
  await applyEach("after");
});

/** Applies commands that read every table, one after the other. */
async function applyEach(userId: string): Promise<void> {
  const commands: Command[] = [
    ...Array.from({ length: 20 }, () => recharge(1n)),
    named(consume(18n), "consume"),
    named(consume(18n), "consume"),
    refund(21n),
    freeze(5n, HOUR),
    settle(23n, 2n),
    freeze(1n, HOUR),
    release(25n),
  ];
  for (const command of commands) {
    const [result] = await commit(orm, [{ ...command, userId }]);
    expect(result).toHaveProperty("account");
  }
}
