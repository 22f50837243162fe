import { beforeEach, expect, onTestFinished, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { verify } from "../../src/verify/verify.ts";
import {
  consume,
  freeze,
  recharge,
  refund,
  release,
  revoke,
  revokeLot,
} from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { entryLine } from "../support/statement.ts";
import { ada, dropChecks, entriesOf, rehashAda, run } from "./life.ts";

const JOURNAL = [
  "1 recharge 100: 100 of #1",
  "2 recharge 50: 50 of #2",
  "3 consume 40: 40 of #1",
  "4 freeze 30 until +50: 30 of #1",
  "5 revoke 30 of lot 1, 70 uncovered: 30 of #1",
  "6 refund 25 of entry 3: 25 of #1",
  "7 revoke 25 of lot 1 for its claim: 25 of #1",
  "8 release 30 of hold 4: 30 of #1",
  "9 revoke 30 of lot 1 for its claim: 30 of #1",
  "10 revoke 60, 10 owed: 50 of #2",
  "11 recharge 20, 10 repaid: 10 of #11",
  "12 refund 0 of entry 5, 10 uncovered",
  "13 revoke 10 of lot 11: 10 of #11",
];

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  const steps: Command[] = [
    recharge(100n),
    recharge(50n),
    consume(40n),
    freeze(30n),
    revokeLot(1n, undefined, "take"),
    refund(3n, 25n),
    release(4n),
    revoke(60n, "owe"),
    recharge(20n),
    refund(5n, 10n),
    revokeLot(11n, 10n, "take"),
  ];
  await run(database, steps, 0n);
  return () => database.close();
});

test("a journal with revocations and claims is in order", async () => {
  expect((await entriesOf(database, "ada")).map(entryLine)).toEqual(JOURNAL);
  expect(await verify(database.orm)).toMatchObject({ wrong: [], schema: [] });
});

type Damage = { what: string; sql: string; from?: number; sequence?: bigint; finds: string };

const damages: Damage[] = [
  {
    what: "more revoked than the journal says",
    sql: `update points.undone set revoked = 20 where ${ada(11)}`,
    sequence: 11n,
    finds: "of its lot 10 are revoked and 0 claimed, its undone row says 20 and 0",
  },
  {
    what: "a claim that is gone",
    sql: `update points.undone set claimed = 0 where ${ada(1)}`,
    sequence: 1n,
    finds: "of its lot 100 are revoked and 5 claimed, its undone row says 100 and 0",
  },
  {
    what: "an account without its open claims",
    sql: "update points.account set open_claims = 0",
    finds: "the account has open_claims 0, not 1",
  },
  {
    what: "a lot of which nothing was revoked",
    sql: "insert into points.undone (user_id, sequence, revoked) values ('ada', 2, 1)",
    sequence: 2n,
    finds: "nothing of its lot is revoked, its undone row says something",
  },
  {
    what: "a claim that took less than came back",
    sql: `update points.entry set from_claim = null where ${ada(9)}`,
    from: 9,
    sequence: 9n,
    finds: "comes before the claim on lot 1",
  },
  {
    what: "a revocation that is said to be of a claim",
    sql: `update points.entry set from_claim = true where ${ada(10)}`,
    from: 10,
    sequence: 10n,
    finds: "is a claim's, and names no lot",
  },
];

test.each(damages)("verify finds $what", async ({ sql, from, sequence, finds }) => {
  await dropChecks(database);
  await database.query(sql);
  if (from !== undefined) await rehashAda(database, from);
  const { wrong } = await verify(database.orm);
  expect(wrong).toEqual([{ userId: "ada", ...(sequence && { sequence }), what: finds }]);
});

type Forgery = { what: string; steps: Command[]; sql: string; from?: number; finds: string };

const met = [recharge(100n), consume(40n), revokeLot(1n, undefined, "take"), refund(2n, 25n)];
const forgeries: Forgery[] = [
  {
    what: "a claim's entry that lacks points",
    steps: met,
    sql: `update points.entry set uncovered = 7 where ${ada(5)}`,
    from: 5,
    finds: "is a claim's, and lacks points",
  },
  {
    what: "a claim's entry that somebody asked for",
    steps: met,
    sql: `update points.entry set caller = 'mallory' where ${ada(5)}`,
    from: 5,
    finds: "is a claim's, and names who asked for it",
  },
  {
    what: "a revocation of a lot past its time",
    steps: [recharge(100n, { kind: "after", ttl: 5n }), revokeLot(1n)],
    sql: `update points.entry set create_time = create_time + interval '1h' where ${ada(2)};
      update points.account set update_time = update_time + interval '1h'`,
    from: 2,
    finds: "takes of lot 1 past its time",
  },
  {
    what: "a revoked lot without its undone row",
    steps: [
      recharge(100n),
      consume(100n),
      revokeLot(1n, undefined, "take"),
      refund(2n),
      refund(3n, 40n),
      consume(40n),
    ],
    sql: `delete from points.undone where ${ada(1)}`,
    finds: "of its lot 100 are revoked and 0 claimed, its undone row says 0 and 0",
  },
  {
    what: "a refund that repaid debt, of an entry without its undone row",
    steps: [recharge(100n), consume(100n), revoke(10n, "owe"), refund(2n, 5n)],
    sql: `delete from points.undone where ${ada(2)}`,
    finds: "refunds 5 points of entry 2, of which its undone row leaves 0",
  },
];

test.each(forgeries)("verify finds $what", async ({ steps, sql, from, finds }) => {
  const own = await testDatabase();
  onTestFinished(() => own.close());
  await run(own, steps, 0n);
  expect((await verify(own.orm)).wrong).toEqual([]);
  await dropChecks(own);
  await own.query(sql);
  if (from !== undefined) await rehashAda(own, from);
  expect((await verify(own.orm)).wrong).toMatchObject([{ userId: "ada", what: finds }]);
});
