import { beforeEach, describe, expect, test } from "vitest";
import { verify } from "../../src/verify/verify.ts";
import { recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { makeLotsEditable } from "../support/editable-lots.ts";
import { ada, dropChecks, live, lot, rehashAda } from "./life.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await live(database);
  await makeLotsEditable(database);
  return () => database.close();
});

type Damage = {
  readonly what: string;
  readonly sql: string;
  /** Hashes are made to fit from this entry of Ada on, as a forger would: to the end, or one. */
  readonly rehash?: { from: number; to?: number };
  readonly userId?: string;
  readonly sequence?: bigint;
  readonly finds: string;
};

const HASH = "has not the hash of its content and of the entry before";

describe("verify finds", () => {
  test.each<Damage>([
    {
      what: "a changed amount",
      sql: `update points.entry set points = 31, allocations = edit.pack('{2}', '{31}')
            where ${ada(3)}`,
      sequence: 3n,
      finds: HASH,
    },
    {
      what: "changed metadata",
      sql: `update points.entry set metadata = '{"for":"b"}' where ${ada(1)}`,
      sequence: 1n,
      finds: HASH,
    },
    {
      what: "a changed request id",
      sql: `update points.entry set request_id = 'a-99' where ${ada(3)}`,
      sequence: 3n,
      finds: HASH,
    },
    {
      what: "a changed fingerprint",
      sql: `update points.entry set fingerprint = sha256('x') where ${ada(3)}`,
      sequence: 3n,
      finds: HASH,
    },
    {
      what: "a time that was moved by a microsecond",
      sql: `update points.entry set create_time = create_time + interval '1us' where ${ada(8)}`,
      sequence: 8n,
      finds: HASH,
    },
    {
      what: "an allocation moved to another lot",
      sql: `update points.entry set allocations = edit.pack('{1}', '{30}') where ${ada(3)}`,
      sequence: 3n,
      finds: HASH,
    },
    {
      what: "a changed hash",
      sql: `update points.entry set hash = sha256('x') where ${ada(8)}`,
      sequence: 8n,
      finds: HASH,
    },
    {
      what: "a change whose hash alone was made to fit, at the next entry",
      sql: `update points.entry set metadata = '{"for":"b"}' where ${ada(3)}`,
      rehash: { from: 3, to: 3 },
      sequence: 4n,
      finds: HASH,
    },
    {
      what: "a usage of no service, which no hash covers",
      sql: `update points.entry set quantity = 7 where ${ada(4)}`,
      sequence: 4n,
      finds: "its entry cannot be read",
    },
    {
      what: "a word in a pricing, which no hash covers",
      sql: `update points.entry set pricing = pricing || '{"note": "x"}' where ${ada(3)}`,
      sequence: 3n,
      finds: "its entry cannot be read",
    },
    {
      what: "another category",
      sql: `update points.entry set category = 'gift' where ${ada(1)}`,
      sequence: 1n,
      finds: HASH,
    },
    {
      what: "points that were for anything, and are for one service",
      sql: `update points.entry set services = '{tts}' where ${ada(1)}`,
      sequence: 1n,
      finds: HASH,
    },
    ...["owed", "uncovered", "repaid", "from_balance", "debt"].map((column) => ({
      what: `points that were not ${column}`,
      sql: `update points.entry set ${column} = 1 where ${ada(3)}`,
      sequence: 3n,
      finds: HASH,
    })),
    {
      what: "another factor of a price",
      sql: `update points.entry set pricing = jsonb_set(pricing, '{calculation,factor}', '"5/5"')
        where ${ada(3)}`,
      sequence: 3n,
      finds: HASH,
    },
    {
      what: "an expiry in 1970, which is hashed as none",
      sql: `update points.entry set expire_time = 'epoch' where ${ada(4)}`,
      sequence: 4n,
      finds: "its entry cannot be read",
    },
    {
      what: "a reference to entry 0, which is hashed as none",
      sql: `update points.entry set refers_to = 0 where ${ada(4)}`,
      sequence: 4n,
      finds: "its entry cannot be read",
    },
    {
      what: "another salt of the account",
      sql: "update points.account set salt = decode(repeat('00', 16), 'hex') where user_id = 'ada'",
      sequence: 1n,
      finds: HASH,
    },
    {
      what: "a time that is none",
      sql: `update points.entry set create_time = 'infinity' where ${ada(4)}`,
      sequence: 4n,
      finds: "its entry cannot be read",
    },
    {
      what: "an allocation without points",
      sql: `update points.entry set allocations = allocations || '\\x01' where ${ada(3)}`,
      sequence: 3n,
      finds: "its entry cannot be read",
    },
    {
      what: "a deleted entry",
      sql: `delete from points.entry where ${ada(4)}`,
      sequence: 4n,
      finds: "there is a undone row, and no entry",
    },
    {
      what: "a deleted entry that no row is named after",
      sql: `delete from points.entry where ${ada(8)}`,
      sequence: 8n,
      finds: "is missing",
    },
    {
      what: "a deleted last entry",
      sql: `delete from points.entry where ${ada(18)}`,
      sequence: 18n,
      finds: "is missing",
    },
    {
      what: "an entry before the first",
      sql: `update points.entry set sequence = 0 where ${ada(8)}`,
      sequence: 0n,
      finds: "is out of place",
    },
    {
      what: "two entries that changed places",
      sql: swap(ada(3), ada(8), "sequence"),
      sequence: 3n,
      finds: HASH,
    },
    {
      what: "the same entry twice",
      sql: `alter table points.entry drop constraint entry_pkey;
            insert into points.entry select * from points.entry where ${ada(8)}`,
      sequence: 8n,
      finds: "is there twice",
    },
    {
      what: "an entry after the account's last",
      sql: `insert into points.entry select (jsonb_populate_record(entry, '{"sequence":19}')).*
            from points.entry where ${ada(18)}`,
      rehash: { from: 19, to: 19 },
      sequence: 19n,
      finds: "refunds 4 points of entry 6, of which its undone row leaves 0",
    },
    {
      what: "an account that was set back",
      sql: `update points.account set sequence = 17 where user_id = 'ada'`,
      sequence: 18n,
      finds: "comes after the account's last entry, which is 17",
    },
    {
      what: "an entry without an account",
      sql: "delete from points.account where user_id = 'bob'",
      userId: "bob",
      sequence: 1n,
      finds: "there is this entry, and no account",
    },
    {
      what: "a lot without an account",
      sql: `insert into points.lot values ('zoe', 4, 5, 5, 0, 0, null)`,
      userId: "zoe",
      sequence: 4n,
      finds: "there is this lot, and no account",
    },
    {
      what: "a hold without an account",
      sql: `insert into points.hold select 'zoe', 4, 5, 0, 'open', null, now(), edit.pack('{1}', '{5}')`,
      userId: "zoe",
      sequence: 4n,
      finds: "there is this hold, and no account",
    },
    {
      what: "an undone row without an account",
      sql: `insert into points.undone values ('zoe', 4, 5)`,
      userId: "zoe",
      sequence: 4n,
      finds: "there is this undone row, and no account",
    },
    {
      what: "another balance",
      sql: `update points.account set balance = balance + 1, total_consumed = total_consumed - 1
            where user_id = 'ada'`,
      finds: "the account has balance 111, not 110",
    },
    {
      what: "points out of nothing in an account without entries",
      sql: "update points.account set balance = 4, total_recharged = 4 where user_id = 'cleo'",
      userId: "cleo",
      finds: "the account has balance 4, not 0",
    },
    {
      what: "a clock of the account that comes too late",
      sql: "update points.account set due_time = due_time + interval '1us' where user_id = 'ada'",
      finds: "the account has a due_time after something falls due",
    },
    {
      what: "an account without a clock",
      sql: "update points.account set due_time = null where user_id = 'ada'",
      finds: "the account has a due_time after something falls due",
    },
    {
      what: "an epoch that there is not",
      sql: `update points.entry set epoch = 7 where ${ada(18)}`,
      sequence: 18n,
      finds: "is of epoch 7, which the table epoch has not",
    },
    {
      what: "an epoch that falls",
      sql: `insert into points.epoch values (2, 1, 1, now());
            update points.entry set epoch = 2 where ${ada(3)}`,
      sequence: 4n,
      finds: "is of epoch 1, the entry before of 2",
    },
    {
      what: "a feed number that falls",
      sql: `update points.entry set feed = 99999 where ${ada(3)}`,
      sequence: 4n,
      finds: ", the entry before 99999",
    },
    {
      what: "an account whose next feed number may fall",
      sql: "update points.account set feed = feed - 1 where user_id = 'ada'",
      finds: "the account has not its last entry's epoch and feed number",
    },
    {
      what: "an account of another epoch than its last entry",
      sql: "update points.account set feed_epoch = 0 where user_id = 'ada'",
      finds: "the account has not its last entry's epoch and feed number",
    },
    {
      what: "another number of open holds",
      sql: "update points.account set open_holds = open_holds + 1 where user_id = 'ada'",
      finds: "the account has open_holds 2, not 1",
    },
    {
      what: "another hash of the account",
      sql: "update points.account set hash = sha256('x') where user_id = 'cleo'",
      userId: "cleo",
      finds: "the account has not its last entry's hash",
    },
    {
      what: "another time of the account",
      sql: "update points.account set update_time = now() where user_id = 'bob'",
      userId: "bob",
      finds: "the account has not its last entry's time",
    },
    {
      what: "a time of the account that is none",
      sql: "update points.account set update_time = 'infinity' where user_id = 'bob'",
      userId: "bob",
      finds: "the account's row cannot be read",
    },
    {
      what: "a lot with one point more",
      sql: `update edit.lot set remaining = remaining + 1 where ${lot(1)}`,
      sequence: 1n,
      finds: "its lot has 94 remaining and 0 frozen, the entries leave 93 and 0",
    },
    {
      what: "a lot whose points were frozen by nobody",
      sql: `update edit.lot set frozen = 4, remaining = 89 where ${lot(1)}`,
      sequence: 1n,
      finds: "its lot has 89 remaining and 4 frozen, the entries leave 93 and 0",
    },
    {
      what: "a point in a lot that is empty for good",
      sql: `insert into edit.lot select user_id, sequence, points, 1, 0, priority, expire_time, category,
        services, true
            from points.journal where ${ada(15)}`,
      sequence: 15n,
      finds: "its lot has 1 remaining and 0 frozen, the entries leave 0 and 0",
    },
    {
      what: "a deleted lot",
      sql: `delete from edit.lot where ${lot(1)}`,
      sequence: 1n,
      finds: "its lot is gone, the entries leave 93 and 0",
    },
    {
      what: "a closed lot in the table",
      sql: `insert into points.lot select user_id, sequence, points, 0, 0, priority, expire_time
            from points.journal where ${ada(15)}`,
      sequence: 15n,
      finds: "its lot has 0 remaining and 0 frozen, the entries leave 0 and 0",
    },
    {
      what: "a closed lot in the account's row",
      sql: `insert into edit.lot select user_id, sequence, points, 0, 0, priority, expire_time, category,
        services, true
            from points.journal where ${ada(15)}`,
      sequence: 15n,
      finds: "its lot has 0 remaining and 0 frozen, the entries leave 0 and 0",
    },
    {
      what: "a lot that is both in the row and in the table",
      sql: `insert into points.lot select user_id, number, points, remaining, frozen, priority,
              expire_time from points.open_lot where ${lot(14)}`,
      sequence: 14n,
      finds: "is there twice",
    },
    {
      what: "a lot in the table that the account's row does not count",
      sql: `update edit.lot set in_row = false where ${lot(1)}`,
      finds: "the account has lots_beyond 0, not 1",
    },
    {
      what: "another sum of the remaining points in the table",
      sql: `update edit.lot set in_row = false where ${lot(1)};
            update points.account set lots_beyond = 1, beyond_remaining = 92 where user_id = 'ada'`,
      finds: "the account has beyond_remaining 92, not 93",
    },
    {
      what: "another sum of the frozen points in the table",
      sql: "update points.account set beyond_frozen = 1 where user_id = 'ada'",
      finds: "the account has beyond_frozen 1, not 0",
    },
    {
      what: "a lot in the table that burns before one in the account's row",
      sql: `update edit.lot set in_row = false where ${lot(14)};
            update points.account set lots_beyond = 1, beyond_remaining = 17, beyond_frozen = 3
            where user_id = 'ada'`,
      sequence: 14n,
      finds: "its lot is not in the account's row, and burns before lot 1, which is",
    },
    {
      what: "lots in the account's row in another order than they burn in",
      sql: `update points.account
            set lots = substring(lots from 45) || substring(lots from 1 for 44)
            where user_id = 'ada'`,
      sequence: 14n,
      finds: "its lot comes after lot 1 in the account's row, and burns before it",
    },
    {
      what: "a clock of the account that never comes",
      sql: "update points.account set due_time = 'infinity' where user_id = 'bob'",
      userId: "bob",
      finds: "the account has a due_time that cannot be read",
    },
    {
      what: "lots in the account's row that are none",
      sql: "update points.account set lots = lots || '\\x00' where user_id = 'bob'",
      userId: "bob",
      finds: "the account's row cannot be read",
    },
    {
      what: "a lot that nobody recharged",
      sql: "insert into edit.lot values ('ada', 3, 5, 5, 0, 0, null, null, null, true)",
      sequence: 3n,
      finds: "a consume has a lot",
    },
    {
      what: "a lot past the last entry",
      sql: "insert into edit.lot values ('ada', 30, 5, 5, 0, 0, null, null, null, true)",
      sequence: 30n,
      finds: "there is a lot, and no entry",
    },
    {
      what: "a lot of other points",
      sql: `update edit.lot set points = 101 where ${lot(1)}`,
      sequence: 1n,
      finds: "its lot has other points",
    },
    {
      what: "a lot whose expiry was moved",
      sql: `update edit.lot set expire_time = expire_time + interval '1us' where ${lot(14)}`,
      sequence: 14n,
      finds: "its lot has another expiry",
    },
    {
      what: "a lot whose priority was changed",
      sql: `update edit.lot set priority = 1 where ${lot(1)}`,
      sequence: 1n,
      finds: "its lot has another priority",
    },
    {
      what: "a reopened hold",
      sql: `update points.hold set status = 'open', settled = 0 where ${lot(5)}`,
      sequence: 5n,
      finds: "its hold is open with 0 settled, entry 6 made it settled with 10",
    },
    {
      what: "a hold that settled something else",
      sql: `update points.hold set settled = 11 where ${lot(5)}`,
      sequence: 5n,
      finds: "its hold is settled with 11 settled, entry 6 made it settled with 10",
    },
    {
      what: "a hold that is said to be released, and expired",
      sql: `update points.hold set status = 'released' where ${lot(9)}`,
      sequence: 9n,
      finds: "its hold is released with 0 settled, entry 10 made it expired with 0",
    },
    {
      what: "an open hold that was closed by nobody",
      sql: `update points.hold set status = 'released' where ${lot(17)}`,
      sequence: 17n,
      finds: "its hold is released, and no entry closed it",
    },
    {
      what: "a hold that lasts longer",
      sql: `update points.hold set expire_time = expire_time + interval '1us' where ${lot(17)}`,
      sequence: 17n,
      finds: "its hold has another expiry",
    },
    {
      what: "a hold with points of another lot",
      sql: `update points.hold set allocations = edit.pack('{2}', '{3}') where ${lot(17)}`,
      sequence: 17n,
      finds: "its hold has points of other lots",
    },
    {
      what: "a deleted hold",
      sql: `delete from points.hold where ${lot(7)}`,
      sequence: 7n,
      finds: "has no hold",
    },
    {
      what: "a lowered undone row",
      sql: `update points.undone set refunded = 39 where ${ada(4)}`,
      sequence: 14n,
      finds: "refunds 35 points of entry 4, of which its undone row leaves 34",
    },
    {
      what: "a raised undone row",
      sql: `update points.undone set refunded = 5 where ${ada(6)}`,
      sequence: 6n,
      finds: "its refunds add up to 4, its undone row says 5",
    },
    {
      what: "an undone row that says more than was spent",
      sql: `update points.undone set refunded = 41 where ${ada(4)}`,
      sequence: 4n,
      finds: "its undone row says 41 of 40 points",
    },
    {
      what: "a revocation of an entry that made no lot",
      sql: `update points.undone set revoked = 1 where ${ada(6)}`,
      sequence: 6n,
      finds: "a settle of which nothing can be revoked",
    },
    {
      what: "a deleted undone row",
      sql: `delete from points.undone where ${ada(6)}`,
      sequence: 18n,
      finds: "refunds 4 points of entry 6, of which its undone row leaves 0",
    },
    {
      what: "a receipt with an id that an entry has",
      sql: "update points.receipt set request_id = 'a-3' where user_id = 'ada' and number = 1",
      sequence: 3n,
      finds: "has request id a-3, which was used before",
    },
  ])("$what", async ({ sql: damage, rehash, userId = "ada", sequence, finds }) => {
    await dropChecks(database);
    await database.query(damage);
    if (rehash !== undefined) await rehashAda(database, rehash.from, rehash.to);
    const { wrong } = await verify(database.orm);
    const what = expect.stringContaining(finds) as unknown;
    expect(wrong).toEqual([sequence === undefined ? { userId, what } : { userId, sequence, what }]);
    expect((await verify(database.orm, { userIds: [userId] })).wrong[0]).toMatchObject(wrong[0]!);
    expect((await verify(database.orm, { userIds: ["dan"] })).wrong).toEqual([]);
  });

  test("more lots in an account's row than it holds", async () => {
    const recharges = Array.from({ length: 17 }, () => ({ ...recharge(5n), userId: "eve" }));
    await commitAll(database.orm, recharges);
    await database.query(`update edit.lot set in_row = true where user_id = 'eve' and not in_row`);
    await database.query(`update points.account
      set lots_beyond = 0, beyond_remaining = 0 where user_id = 'eve'`);
    const what = "the account's row has 17 lots, more than 16";
    expect((await verify(database.orm)).wrong).toEqual([{ userId: "eve", what }]);
  });

  test("entries exchanged between two accounts", async () => {
    await database.query(swap(ada(1), "user_id = 'bob' and sequence = 1", "user_id"));
    const found = { sequence: 1n, what: HASH };
    const wrong = [
      { userId: "ada", ...found },
      { userId: "bob", ...found },
    ];
    expect((await verify(database.orm)).wrong).toEqual(wrong);
  });
});

/** Exchanges a column of two entries. */
function swap(one: string, other: string, column: "sequence" | "user_id"): string {
  return `alter table points.entry drop constraint entry_pkey;
    update points.entry set ${column} = (
      select two.${column} from points.entry as two
      where ((${one}) or (${other})) and two.hash <> entry.hash
    ) where (${one}) or (${other})`;
}
