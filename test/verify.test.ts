import { createHash } from "node:crypto";
import { sql } from "kysely";
import { beforeEach, describe, expect, test } from "vitest";
import { commit } from "../src/commit/commit.ts";
import type { Command, Mutation } from "../src/ledger/command.ts";
import { hashEntry } from "../src/ledger/entry.ts";
import { isRejection } from "../src/ledger/rejection.ts";
import { type EntryRow, toEntry } from "../src/store/entries.ts";
import { verify } from "../src/verify/verify.ts";
import { testDatabase, type TestDatabase } from "./support/database.ts";
import { NOW } from "./support/statement.ts";

// Other tests believe what `verify` says, so it has to find what they would not see.

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await live();
  return () => database.close();
});

describe("verify", () => {
  test("finds accounts with entries of every kind in order", async () => {
    expect(await journal("ada")).toEqual(JOURNAL);
    const progress: unknown[] = [];
    const onProgress = (read: object) => progress.push({ ...read });
    const verified = await verify(database.orm, { onProgress });
    expect(verified).toEqual({ accounts: 4, entries: JOURNAL.length + 3, wrong: [] });
    expect(progress.at(-1)).toMatchObject({ accounts: 4, entries: JOURNAL.length + 3 });
  });

  test("reads the accounts that it is asked for, and says which there are not", async () => {
    const userIds = ["bob", "nobody", "cleo", "bob"];
    const wrong = [{ userId: "nobody", what: "there is no such account" }];
    expect(await verify(database.orm, { userIds })).toEqual({ accounts: 2, entries: 3, wrong });
    expect(await verify(database.orm, { userIds: [] })).toMatchObject({ accounts: 0 });
  });

  test("finds no flaw in what is being written meanwhile", async () => {
    let isOver = false;
    let written = 0;
    const writing = (async () => {
      for (let time = 10_000n; !isOver; time += 1n) {
        const batch = ["ada", "bob", `new-${time}`].flatMap((userId) => [
          recharge(userId, 3n),
          consume(userId, 2n),
        ]);
        await run(batch, time);
        written += batch.length;
      }
    })();
    for (let times = 0; times < 20 || written < 100; times += 1) {
      expect(await verify(database.orm)).toMatchObject({ wrong: [] });
    }
    isOver = true;
    await writing;
  });

  test("finds many pages of accounts and of entries in order, and flaws among them", async () => {
    const users = Array.from({ length: 1_300 }, (_, index) => `user-${index}`);
    const few = users.flatMap((userId) => [recharge(userId, 5n), consume(userId, 1n)]);
    const many = Array.from({ length: 4_500 }, (_, index) => {
      return index % 2 === 0 ? recharge("busy", 3n) : consume("busy", 3n);
    });
    await run([...few, ...many], 0n);
    const entries = JOURNAL.length + 3 + few.length + many.length;
    expect(await verify(database.orm)).toEqual({ accounts: 1_305, entries, wrong: [] });

    const inBusy = "user_id = 'busy' and number = 3";
    await database.query(`update points.lot set remaining = 1 where ${inBusy}`);
    await database.query("delete from points.entry where user_id = 'user-700' and sequence = 2");
    const verified = await verify(database.orm);
    expect(verified).toMatchObject({ accounts: 1_305, entries: entries - 1 });
    expect(verified.wrong.map(({ userId, sequence }) => [userId, sequence])).toEqual([
      ["busy", 3n],
      ["user-700", 2n],
    ]);
  });
});

type Damage = {
  readonly what: string;
  readonly sql: string;
  /** From this entry of Ada on, hashes are made to fit, as a forger would: to the end, or one. */
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
      sql: `update points.entry set points = 31, lot_points = '{31}' where ${ada(3)}`,
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
      sql: `update points.entry set lots = '{1}' where ${ada(3)}`,
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
      what: "a time that is none",
      sql: `update points.entry set create_time = 'infinity' where ${ada(4)}`,
      sequence: 4n,
      finds: "its entry cannot be read",
    },
    {
      what: "an allocation without a lot",
      sql: `update points.entry set lot_points = '{30, 1}' where ${ada(3)}`,
      sequence: 3n,
      finds: "its entry cannot be read",
    },
    {
      what: "a deleted entry",
      sql: `delete from points.entry where ${ada(4)}`,
      sequence: 4n,
      finds: "there is a refund row, and no entry",
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
      finds: "refunds 4 points of entry 6, of which its refund row leaves 0",
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
      what: "a receipt without an account",
      sql: "insert into points.receipt values ('zoe', 'r1', sha256('x'), 0)",
      userId: "zoe",
      finds: "receipt r1 has no account",
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
      sql: `update points.lot set remaining = remaining + 1 where ${lot(1)}`,
      sequence: 1n,
      finds: "its lot has 94 remaining and 0 frozen, the entries leave 93 and 0",
    },
    {
      what: "a lot whose points were frozen by nobody",
      sql: `update points.lot set frozen = 4, remaining = 89 where ${lot(1)}`,
      sequence: 1n,
      finds: "its lot has 89 remaining and 4 frozen, the entries leave 93 and 0",
    },
    {
      what: "a point in a lot that is empty for good",
      sql: `update points.lot set remaining = 1 where ${lot(15)}`,
      sequence: 15n,
      finds: "its lot has 1 remaining and 0 frozen, the entries leave 0 and 0",
    },
    {
      what: "a deleted lot",
      sql: `delete from points.lot where ${lot(15)}`,
      sequence: 15n,
      finds: "has no lot",
    },
    {
      what: "a lot that nobody recharged",
      sql: "insert into points.lot values ('ada', 3, 5, 5, 0, 0, null)",
      sequence: 3n,
      finds: "a consume has a lot",
    },
    {
      what: "a lot past the last entry",
      sql: "insert into points.lot values ('ada', 30, 5, 5, 0, 0, null)",
      sequence: 30n,
      finds: "there is a lot, and no entry",
    },
    {
      what: "a lot of other points",
      sql: `update points.lot set points = 101 where ${lot(1)}`,
      sequence: 1n,
      finds: "its lot has other points",
    },
    {
      what: "a lot whose expiry was moved",
      sql: `update points.lot set expire_time = expire_time + interval '1us' where ${lot(2)}`,
      sequence: 2n,
      finds: "its lot has another expiry",
    },
    {
      what: "a lot whose priority was changed",
      sql: `update points.lot set priority = 1 where ${lot(2)}`,
      sequence: 2n,
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
      sql: `update points.hold set lots = '{2}' where ${lot(17)}`,
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
      what: "a lowered refund row",
      sql: `update points.refund set refunded = 39 where ${ada(4)}`,
      sequence: 14n,
      finds: "refunds 35 points of entry 4, of which its refund row leaves 34",
    },
    {
      what: "a raised refund row",
      sql: `update points.refund set refunded = 5 where ${ada(6)}`,
      sequence: 6n,
      finds: "its refunds add up to 4, its refund row says 5",
    },
    {
      what: "a refund row that says more than was spent",
      sql: `update points.refund set refunded = 41 where ${ada(4)}`,
      sequence: 4n,
      finds: "its refund row says 41 of 40 points",
    },
    {
      what: "a deleted refund row",
      sql: `delete from points.refund where ${ada(6)}`,
      sequence: 18n,
      finds: "refunds 4 points of entry 6, of which its refund row leaves 0",
    },
    {
      what: "a receipt with an id that an entry has",
      sql: "update points.receipt set request_id = 'a-3' where user_id = 'ada'",
      sequence: 3n,
      finds: "has request id a-3, which was used before",
    },
    {
      what: "a receipt from the future",
      sql: "update points.receipt set sequence = 19 where user_id = 'ada'",
      finds: "receipt a-0 is newer than the account",
    },
  ])("$what", async ({ sql: damage, rehash, userId = "ada", sequence, finds }) => {
    await dropChecks();
    await database.query(damage);
    if (rehash !== undefined) await rehashAda(rehash.from, rehash.to);
    const { wrong } = await verify(database.orm);
    const what = expect.stringContaining(finds) as unknown;
    expect(wrong).toEqual([sequence === undefined ? { userId, what } : { userId, sequence, what }]);
    expect((await verify(database.orm, { userIds: [userId] })).wrong[0]).toMatchObject(wrong[0]!);
    expect((await verify(database.orm, { userIds: ["dan"] })).wrong).toEqual([]);
  });

  test("two accounts' entries that were exchanged", async () => {
    await database.query(swap(ada(1), "user_id = 'bob' and sequence = 1", "user_id"));
    const found = { sequence: 1n, what: HASH };
    const wrong = [{ userId: "ada", ...found }, { userId: "bob", ...found }];
    expect((await verify(database.orm)).wrong).toEqual(wrong);
  });
});

// Somebody who can write to the tables can also make the hashes fit. The rules still hold.
describe("behind hashes that fit, verify finds", () => {
  const entry = (number: number, change: string) =>
    `update points.entry set ${change} where ${ada(number)}`;

  test.each<Damage>([
    {
      what: "a request id that was used before",
      sql: `drop index points.entry_request; ${entry(4, "request_id = 'a-3', fingerprint = hash")}`,
      sequence: 4n,
      finds: "has request id a-3, which was used before",
    },
    {
      what: "points that are not those of the lots",
      sql: entry(3, "points = 31"),
      sequence: 3n,
      finds: "moves 31 points, its allocations 30",
    },
    {
      what: "other figures",
      sql: entry(3, "balance = balance + 1"),
      sequence: 3n,
      finds: "leaves balance 121, not 120",
    },
    {
      what: "more than a lot has",
      sql: entry(4, "lots = '{2,1}', lot_points = '{21,19}'"),
      sequence: 4n,
      finds: "takes 21 points of lot 2, which has 20",
    },
    {
      what: "a lot that there is not",
      sql: entry(3, "lots = '{9}'"),
      sequence: 3n,
      finds: "takes 30 points of lot 9, which has 0",
    },
    {
      what: "a lot that burns later",
      sql: entry(3, "lots = '{1}'"),
      sequence: 3n,
      finds: "takes of lot 1, though lot 2 burns before it",
    },
    {
      what: "lots in another order",
      sql: entry(4, "lots = '{1,2}'"),
      sequence: 4n,
      finds: "takes of its lots in another order than they burn in",
    },
    {
      what: "points that were spent past their time",
      sql: entry(3, "create_time = create_time + interval '1000us'"),
      sequence: 3n,
      finds: "takes of lot 2 past its time",
    },
    {
      what: "a lot that was expired before it was made",
      sql: entry(2, "expire_time = create_time"),
      sequence: 2n,
      finds: "makes what is expired",
    },
    {
      what: "a recharge of another lot",
      sql: entry(2, "lots = '{1}'"),
      sequence: 2n,
      finds: "its lot has other points",
    },
    {
      what: "a recharge that used a service",
      sql: entry(2, "service = 'x', price_version = 'y'"),
      sequence: 2n,
      finds: "has a usage, which no recharge has",
    },
    {
      what: "a recharge that is about an entry",
      sql: entry(2, "refers_to = 1"),
      sequence: 2n,
      finds: "has a reference, which no recharge has",
    },
    {
      what: "a settle of a hold that there is not",
      sql: entry(6, "refers_to = 4"),
      sequence: 6n,
      finds: "settles hold 4, which is not open",
    },
    {
      what: "a settle past the hold's time",
      sql: entry(6, "create_time = create_time + interval '100us'"),
      sequence: 6n,
      finds: "settles hold 5 past its time",
    },
    {
      what: "a settle that returned too little",
      sql: entry(6, "returned = 14"),
      sequence: 6n,
      finds: "settles 10 of 25 points and returns 14",
    },
    {
      what: "a settle of other lots",
      sql: entry(6, "lots = '{2}'"),
      sequence: 6n,
      finds: "spends other points than hold 5 has",
    },
    {
      what: "a release of a closed hold",
      sql: entry(8, "refers_to = 5"),
      sequence: 8n,
      finds: "releases hold 5, which is not open",
    },
    {
      what: "a release of too little",
      sql: entry(8, "points = 4, lot_points = '{4}'"),
      sequence: 8n,
      finds: "releases other points than hold 7 has",
    },
    {
      what: "a caller's release past the hold's time",
      sql: entry(10, "request_id = 'a-10', fingerprint = hash"),
      sequence: 10n,
      finds: "is a caller's release of hold 9 past its time",
    },
    {
      what: "a release by the ledger before the hold's time",
      sql: entry(10, "create_time = create_time - interval '90us'"),
      sequence: 9n,
      finds: "its hold is expired with 0 settled, entry 10 made it released with 0",
    },
    {
      what: "a refund of a recharge",
      sql: entry(13, "refers_to = 1"),
      sequence: 13n,
      finds: "refunds 5 points of entry 1, of which its refund row leaves 0",
    },
    {
      what: "a refund to other lots",
      sql: entry(13, "lots = '{2}'"),
      sequence: 13n,
      finds: "gives back to other lots than entry 4 took from",
    },
    {
      what: "a refund that makes expired points permanent",
      sql: `${entry(14, "expire_time = null")};
            update points.lot set expire_time = null where ${lot(14)}`,
      sequence: 14n,
      finds: "makes points that expired permanent",
    },
    {
      what: "a refund that makes points burn later",
      sql: `${entry(14, "priority = 1")}; update points.lot set priority = 1 where ${lot(14)}`,
      sequence: 14n,
      finds: "has priority 1, and not 0",
    },
    {
      what: "a refund of nothing",
      sql: entry(13, "points = 0, lots = '{}', lot_points = '{}'"),
      sequence: 13n,
      finds: "moves nothing",
    },
  ])("$what", async ({ sql: damage, sequence, finds }) => {
    await dropChecks();
    await database.query(damage);
    await rehashAda(1);
    expect((await verify(database.orm)).wrong).toEqual([{ userId: "ada", sequence, what: finds }]);
  });
});

/** Ada's journal, an entry of each kind and more, as `live` makes it. */
const JOURNAL = [
  "1 recharge 100: 100 of #1",
  "2 recharge 50: 50 of #2",
  "3 consume 30: 30 of #2",
  "4 consume 40: 20 of #2, 20 of #1",
  "5 freeze 25: 25 of #1",
  "6 settle 10: 10 of #1",
  "7 freeze 5: 5 of #1",
  "8 release 5: 5 of #1",
  "9 freeze 6: 6 of #1",
  "10 release 6: 6 of #1",
  "11 consume 0: ",
  "12 expire 1: 1 of #1",
  "13 refund 5: 5 of #1",
  "14 refund 35: 15 of #1, 20 of #14",
  "15 recharge 7: 7 of #15",
  "16 expire 7: 7 of #15",
  "17 freeze 3: 3 of #14",
  "18 refund 4: 4 of #1",
];

/** Four accounts: Ada's whole life, Bob's three entries, and two without entries. */
async function live(): Promise<void> {
  const named = (id: string): Partial<Mutation> => {
    const fingerprint = createHash("sha256").update(id).digest();
    return { request: { id, fingerprint }, metadata: new Map([["for", "a"]]), caller: "" };
  };
  const spend = (points: bigint) => ({ points, usage: null });
  const script = { service: "script", quantity: null, durationNanos: 7n, priceVersion: "1" };
  const after = (ttl: bigint) => ({ kind: "after", ttl }) as const;
  const of = <C extends object>(command: C) => ({ ...UNNAMED, userId: "ada", ...command });

  await run(
    [
      { kind: "open", userId: "cleo" },
      { kind: "open", userId: "dan" },
      { ...of({ kind: "expire", target: { kind: "due" } }), userId: "dan", ...named("d-1") },
      recharge("bob", 10n),
      consume("bob", 3n),
      consume("bob", 2n),
      { ...recharge("ada", 100n), ...named("a-1") },
      { ...recharge("ada", 50n), expiration: after(1000n) },
      { ...of({ kind: "consume", cost: { points: 30n, usage: script } }), ...named("a-3") },
      of({ kind: "consume", cost: spend(40n) }),
      of({ kind: "freeze", cost: spend(25n), expiration: after(100n) }),
      of({ kind: "settle", hold: 5n, cost: spend(10n) }),
      of({ kind: "freeze", cost: spend(5n), expiration: after(100n) }),
      of({ kind: "release", hold: 7n }),
      of({ kind: "freeze", cost: spend(6n), expiration: after(50n) }),
    ] as Command[],
    0n,
  );
  await run(
    [
      of({ kind: "consume", cost: { points: 0n, usage: script } }),
      of({ kind: "expire", target: { kind: "lot", lot: 2n } }),
      of({ kind: "expire", target: { kind: "points", points: 1n } }),
      { ...of({ kind: "expire", target: { kind: "due" } }), ...named("a-0") },
      of({ kind: "refund", sequence: 4n, points: 5n }),
    ] as Command[],
    90n,
  );
  await run(
    [
      of({ kind: "refund", sequence: 4n, reissueTtl: 5000n }),
      { ...recharge("ada", 7n), expiration: after(5n) },
    ] as Command[],
    2000n,
  );
  await run(
    [
      of({ kind: "expire", target: { kind: "due" } }),
      of({ kind: "freeze", cost: spend(3n), expiration: after(1000n) }),
      of({ kind: "refund", sequence: 6n, points: 4n }),
    ] as Command[],
    2005n,
  );
}

async function run(commands: readonly Command[], time: bigint): Promise<void> {
  for (const result of await commit(database.orm, commands, async () => NOW + time)) {
    if (result instanceof Error) throw result;
    if (isRejection(result)) throw new Error(result.reason);
  }
}

const UNNAMED = { request: undefined, metadata: new Map<string, string>(), caller: "" };

function recharge(userId: string, points: bigint): Command {
  const expiration = { kind: "never" } as const;
  return { ...UNNAMED, kind: "recharge", userId, points, expiration, priority: 0 };
}

function consume(userId: string, points: bigint): Command {
  return { ...UNNAMED, kind: "consume", userId, cost: { points, usage: null } };
}

function ada(sequence: number): string {
  return `user_id = 'ada' and sequence = ${sequence}`;
}

function lot(number: number): string {
  return `user_id = 'ada' and number = ${number}`;
}

/** Exchanges a column of two entries. */
function swap(one: string, other: string, column: "sequence" | "user_id"): string {
  return `alter table points.entry drop constraint entry_pkey;
    update points.entry set ${column} = (
      select two.${column} from points.entry as two
      where ((${one}) or (${other})) and two.hash <> entry.hash
    ) where (${one}) or (${other})`;
}

async function dropChecks(): Promise<void> {
  await database.query(`do $$ declare c record; begin
    for c in select conrelid::regclass as of, conname from pg_constraint
      where contype = 'c' and connamespace = 'points'::regnamespace
    loop execute format('alter table %s drop constraint %I', c.of, c.conname); end loop;
  end $$`);
}

async function journal(userId: string) {
  return (await entriesOf(userId)).map(({ sequence, kind, points, allocations }) => {
    const parts = allocations.map((part) => `${part.points} of #${part.lot}`).join(", ");
    return `${sequence} ${kind} ${points}: ${parts}`;
  });
}

async function entriesOf(userId: string) {
  const { rows } = await sql<EntryRow>`
    select * from points.entry where user_id = ${userId} order by sequence`.execute(
    database.orm.em.fork().getKysely(),
  );
  return rows.map(toEntry);
}

/** Makes hashes fit what the entries say; to the last, and then the account's too. */
async function rehashAda(from: number, to = Infinity): Promise<void> {
  let previous: Uint8Array = new Uint8Array(32);
  for (const entry of await entriesOf("ada")) {
    const { sequence } = entry;
    const isMeant = sequence >= from && sequence <= to;
    const hash = isMeant ? hashEntry(previous, entry) : entry.hash;
    const where = ada(Number(sequence));
    await database.query(`update points.entry set hash = $1 where ${where}`, [hash]);
    previous = hash;
  }
  if (to !== Infinity) return;
  await database.query("update points.account set hash = $1 where user_id = 'ada'", [previous]);
}
