import { beforeEach, describe, expect, test } from "vitest";
import { verify } from "../../src/verify/verify.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { dropChecks, live, rehashReceipts } from "./life.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await live(database);
  return () => database.close();
});

type Damage = {
  readonly what: string;
  readonly sql: string;
  readonly userId?: string;
  readonly finds: string;
};

const HASH = "receipt 2 has not the hash of its content and of the receipt before";
const CREATION = "receipt 1 has not the hash of its content and of the account's time of creation";

describe("of receipts and of the making of accounts, verify finds", () => {
  test.each<Damage>([
    {
      what: "a receipt without an account",
      sql: `update points.receipt set user_id = 'zoe' where user_id = 'cleo';
            delete from points.account where user_id = 'cleo'`,
      userId: "zoe",
      finds: "receipt 1 has no account",
    },
    {
      what: "a receipt from the future",
      sql: receipt(2, "sequence = 19"),
      finds: "receipt 2 is of entry 19, and there is none",
    },
    {
      what: "a receipt with another request id",
      sql: receipt(2, "request_id = 'a-17'"),
      finds: HASH,
    },
    {
      what: "a receipt with another fingerprint",
      sql: receipt(2, "fingerprint = sha256('x')"),
      finds: HASH,
    },
    {
      what: "a receipt of another entry",
      sql: receipt(2, "sequence = 17"),
      finds: HASH,
    },
    {
      what: "a receipt that has an entry no more",
      sql: receipt(2, "made_entry = false"),
      finds: HASH,
    },
    {
      what: "a receipt with another hash",
      sql: receipt(2, "hash = sha256('x')"),
      finds: HASH,
    },
    {
      what: "a deleted receipt",
      sql: "delete from points.receipt where user_id = 'ada' and number = 1",
      finds: "receipt 1 is missing",
    },
    {
      what: "a deleted last receipt",
      sql: "delete from points.receipt where user_id = 'ada' and number = 2",
      finds: "receipt 2 is missing",
    },
    {
      what: "all of an account's receipts deleted",
      sql: "delete from points.receipt where user_id = 'dan'",
      userId: "dan",
      finds: "receipt 1 is missing",
    },
    {
      what: "a forged receipt",
      sql: `insert into points.receipt values
              ('ada', 3, 18, false, 'a-19', sha256('x'), sha256('x'));
            update points.account set receipts = 3 where user_id = 'ada'`,
      finds: HASH.replace("2", "3"),
    },
    {
      what: "a receipt past the account's last",
      sql: "update points.account set receipts = 1 where user_id = 'ada'",
      finds: "receipt 2 comes after the account's last receipt, which is 1",
    },
    {
      what: "receipts that changed places",
      sql: `alter table points.receipt drop constraint receipt_pkey;
            update points.receipt set number = 3 - number where user_id = 'ada'`,
      finds: CREATION,
    },
    {
      what: "the same receipt twice",
      sql: `alter table points.receipt drop constraint receipt_pkey;
            drop index points.receipt_request;
            insert into points.receipt select * from points.receipt
            where user_id = 'cleo'`,
      userId: "cleo",
      finds: "receipt 1 is out of place",
    },
    {
      what: "another account's receipt",
      sql: `delete from points.receipt where user_id = 'cleo';
            update points.receipt set user_id = 'cleo' where user_id = 'dan' and number = 1;
            update points.account set receipts = 0 where user_id = 'dan';
            delete from points.receipt where user_id = 'dan';
            delete from points.account where user_id = 'dan'`,
      userId: "cleo",
      finds: CREATION,
    },
    {
      what: "another time of creation of an account without entries",
      sql: `update points.account set create_time = create_time - interval '1us',
              update_time = update_time - interval '1us' where user_id = 'cleo'`,
      userId: "cleo",
      finds: CREATION,
    },
    {
      what: "another time of creation of an account with receipts",
      sql: `update points.account set create_time = create_time - interval '1us'
            where user_id = 'ada'`,
      finds: CREATION,
    },
    {
      what: "another time of creation of an account without receipts",
      sql: `update points.account set create_time = create_time - interval '1us'
            where user_id = 'bob'`,
      userId: "bob",
      finds: "the account was not made by its first entry",
    },
    {
      what: "an account that nothing made",
      sql: `delete from points.receipt where user_id = 'cleo';
            update points.account set receipts = 0 where user_id = 'cleo'`,
      userId: "cleo",
      finds: "neither an entry nor a receipt made the account",
    },
  ])("$what", async ({ sql: damage, userId = "ada", finds }) => {
    await dropChecks(database);
    await database.query(damage);
    const wrong = [{ userId, what: finds }];
    expect((await verify(database.orm)).wrong).toEqual(wrong);
    expect((await verify(database.orm, { userIds: [userId] })).wrong[0]).toEqual(wrong[0]);
  });
});

describe("behind receipts whose hashes fit, verify finds", () => {
  test.each([
    {
      what: "a receipt that is older than the one before",
      sql: `update points.receipt set sequence = 2, made_entry = false
            where user_id = 'ada' and number = 2`,
      finds: "receipt 2 is older than the receipt before",
    },
    {
      what: "a receipt of no request",
      sql: `update points.receipt set request_id = null, fingerprint = null
            where user_id = 'ada' and number = 2`,
      finds: "receipt 2 is of no request",
    },
    {
      what: "a receipt that made the account when it had entries",
      sql: `update points.receipt set request_id = null, fingerprint = null
            where user_id = 'ada' and number = 1`,
      finds: "receipt 1 is of no request",
    },
    {
      what: "a receipt that answers with another request's entry",
      sql: `update points.receipt set sequence = 11, made_entry = true
            where user_id = 'ada' and number = 1`,
      finds: "receipt 1 is of entry 11, which the ledger did not book by itself",
    },
    {
      what: "two receipts of the same request",
      sql: `drop index points.receipt_request;
            update points.receipt set request_id = 'a-0' where user_id = 'ada'`,
      finds: "two receipts have request id a-0",
    },
    {
      what: "an account that was made after its first entry",
      sql: `update points.account set create_time = update_time where user_id = 'ada';
            update points.receipt set sequence = 0, request_id = null, fingerprint = null
            where user_id = 'ada' and number = 1`,
      finds: "the account was made after its first entry",
    },
  ])("$what", async ({ sql: damage, finds }) => {
    await dropChecks(database);
    await database.query(damage);
    await rehashReceipts(database, "ada");
    expect((await verify(database.orm)).wrong).toEqual([{ userId: "ada", what: finds }]);
  });
});

/** Changes one of Ada's receipts. */
function receipt(number: number, change: string): string {
  return `update points.receipt set ${change} where user_id = 'ada' and number = ${number}`;
}
