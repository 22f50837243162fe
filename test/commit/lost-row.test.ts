import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import type { Command } from "../../src/ledger/command.ts";
import {
  consume,
  DUE,
  expire,
  freeze,
  named,
  open,
  recharge,
  refund,
} from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  await database.query(
    `create function points.lose() returns trigger language plpgsql as
      $$ begin return null; end $$`,
  );
});
afterAll(() => database.close());

beforeEach(async () => {
  await database.query("truncate points.account, points.lot, points.entry, points.receipt");
  await commit(database.orm, [recharge(5n), consume(1n), named(expire(DUE), "r1")]);
  await commit(database.orm, crowd(20));
});

const TABLES = ["account", "lot", "hold", "entry", "undone", "receipt"];

describe("a batch is not committed that", () => {
  test.each<{ what: string; event: string; command: Command; says: string }>([
    {
      what: "finds a lot of its own no more",
      event: "update on points.lot",
      command: { ...freeze(18n), userId: "crowd" },
      says: "a lot of a locked account is gone",
    },
    {
      what: "cannot take a lot out of the table",
      event: "delete on points.lot",
      command: { ...consume(17n), userId: "crowd" },
      says: "a lot of a locked account is gone",
    },
    {
      what: "finds its account no more",
      event: "update on points.account",
      command: consume(1n),
      says: "a locked account is gone",
    },
    {
      what: "cannot count its receipts",
      event: "update on points.account",
      command: named(expire(DUE), "r2"),
      says: "a locked account is gone",
    },
    {
      what: "loses an account",
      event: "insert on points.account",
      command: { ...open(), userId: "bob" },
      says: "a new row of account is gone",
    },
    {
      what: "loses a lot",
      event: "insert on points.lot",
      command: { ...recharge(1n), userId: "crowd" },
      says: "a new row of lot is gone",
    },
    {
      what: "loses a hold",
      event: "insert on points.hold",
      command: freeze(1n),
      says: "a new row of hold is gone",
    },
    {
      what: "loses an entry",
      event: "insert on points.entry",
      command: consume(1n),
      says: "a new row of entry is gone",
    },
    {
      what: "loses what was refunded",
      event: "insert on points.undone",
      command: refund(2n),
      says: "a new row of undone is gone",
    },
    {
      what: "loses a receipt",
      event: "insert on points.receipt",
      command: named(expire(DUE), "r2"),
      says: "a new row of receipt is gone",
    },
  ])("$what", async ({ event, command, says }) => {
    const before = await rows();
    await database.query(
      `create trigger lose before ${event} for each row execute function points.lose()`,
    );
    const [failed] = await commit(database.orm, [command]);
    await database.query(`drop trigger lose ${event.replace(/^\w+ /, "")}`);
    expect(String((failed as Error).cause)).toContain(says);
    expect(await rows()).toEqual(before);
  });

  test("would take the place of a receipt that is gone", async () => {
    await database.query("delete from points.receipt");
    const before = await rows();
    const [failed] = await commit(database.orm, [named(expire(DUE), "r2")]);
    expect(String((failed as Error).cause)).toContain("an account's last receipt is gone");
    expect(await rows()).toEqual(before);
  });
});

/** Lots of 1 point: 16 are in the account's row, the others in the table. */
function crowd(lots: number): Command[] {
  return Array.from({ length: lots }, () => ({ ...recharge(1n), userId: "crowd" }));
}

function rows() {
  const all = TABLES.map((table) => `(select json_agg(${table}) from points.${table}) as ${table}`);
  return database.query(`select ${all.join()}`);
}
