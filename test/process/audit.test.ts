import { beforeEach, expect, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import type { Command } from "../../src/ledger/command.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

// The tests beside this one believe the audit, so it has to find what they would not see.

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  const never = { kind: "never" } as const;
  const request = (id: string) => ({ id, fingerprint: new Uint8Array(32) });
  const commands: Command[] = [
    { ...OF_ADA, kind: "recharge", points: 5n, expiration: never, priority: 0 },
    { ...OF_ADA, kind: "recharge", points: 6n, expiration: never, priority: 1 },
    { ...OF_ADA, kind: "consume", points: 7n, request: request("r1") },
    { ...OF_ADA, kind: "expire", target: { kind: "due" }, request: request("r2") },
    { ...OF_ADA, kind: "expire", target: { kind: "points", points: 1n }, request: request("r3") },
    { kind: "open", userId: "bob" },
  ];
  await commit(database.orm, commands);
  return () => database.close();
});

test("an audit finds a ledger that nobody tampered with in order", async () => {
  expect(await auditDatabase(database.query)).toEqual({ accounts: 2, entries: 4 });
});

test.each([
  {
    what: "an entry that was changed",
    sql: `update points.entry set metadata = '{"a":"b"}' where sequence = 2`,
    finds: "entry 2 has not the hash of its content",
  },
  {
    what: "an entry whose time was moved by a microsecond",
    sql: "update points.entry set create_time = create_time + interval '1us' where sequence = 4",
    finds: "entry 4 has not the hash of its content",
  },
  {
    what: "an entry that was taken out",
    sql: "delete from points.entry where sequence = 2",
    finds: "entry 3 follows entry 1",
  },
  {
    what: "a last entry that was taken out",
    sql: "delete from points.entry where sequence = 4",
    finds: "has sequence 4, but 3 entries",
  },
  {
    what: "an account that was taken out",
    sql: "delete from points.account where user_id = 'ada'",
    finds: "entry 1 has no account",
  },
  {
    what: "an account whose figures were changed",
    sql: `update points.account set balance = 4, total_recharged = 12 where user_id = 'ada'`,
    finds: "the account has balance 4, not 3",
  },
  {
    what: "points out of nothing in an account without entries",
    sql: "update points.account set balance = 4, total_recharged = 4 where user_id = 'bob'",
    finds: "has balance 4, and its lots 0",
  },
  {
    what: "a lot that was changed",
    sql: "update points.lot set remaining = 2 where number = 2",
    finds: "lot 2 has 2, not 3",
  },
  {
    what: "a lot whose points were frozen by nobody",
    sql: "update points.lot set frozen = 1 where number = 2",
    finds: "has frozen 0, and its lots 1",
  },
  {
    what: "a lot that was taken out",
    sql: "delete from points.lot where number = 1",
    finds: "lot 1 is missing",
  },
  {
    what: "a lot that expires at another time",
    sql: "update points.lot set expire_time = now() where number = 2",
    finds: "lot 2 expires at another time than its entry says",
  },
  {
    what: "points that were spent past their time",
    sql: `update points.entry set expire_time = (select create_time from points.entry limit 1)
          where sequence = 1`,
    finds: "entry 3 spends lot 1 past its time",
  },
  {
    what: "a request that is an entry and a receipt",
    sql: "update points.receipt set request_id = 'r1'",
    finds: "request r1 is there twice",
  },
])("an audit finds $what", async ({ sql, finds }) => {
  await database.query(sql);
  const user = sql.includes("bob") ? "bob" : "ada";
  await expect(auditDatabase(database.query)).rejects.toThrow(`account ${user}: ${finds}`);
});

const OF_ADA = { userId: "ada", request: undefined, metadata: new Map<string, string>() };
