import { beforeEach, expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { verify } from "../../src/verify/verify.ts";
import * as make from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { ada, dropChecks, lot, rehashAda, run } from "./life.ts";

// What was counted against limits, by rows that anybody may have changed.

const DAY = { kind: "calendar", unit: "day", timeZone: "Europe/Berlin" } as const;
const limitOf = (points: bigint, eachMember = false) =>
  ({ kind: "limit", points, window: DAY, member: "", eachMember, service: "" }) as const;

/** All have spent the 40 of the day, Bob 30 of them; hold 5 is his, and entry 8 was stopped. */
const JOURNAL: readonly Command[] = [
  make.recharge(100n),
  make.putPolicy("all", limitOf(40n)),
  make.putPolicy("each", limitOf(30n, true)),
  make.by("bob", make.consume(make.usageOf("tts", 20n))),
  make.by("bob", make.freeze(10n, 100n)),
  make.by("eve", make.consume(9n)),
  make.refund(6n, 2n),
  { ...make.consume(5n), onShortfall: "take" } as Command,
];

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await run(database, JOURNAL, 0n);
  await dropChecks(database);
  return () => database.close();
});

const entry = (number: number, change: string) =>
  `update points.entry set ${change} where ${ada(number)}`;
const counted = (name: string, member: string, change: string) =>
  `update points.policy set ${change} where name = '${name}' and member = '${member}'`;

test("such a life is sound", async () => {
  expect(await verify(database.orm)).toMatchObject({ accounts: 1, entries: 8, wrong: [] });
});

type Damage = [what: string, sql: string, sequence: bigint | undefined, finds: string];

test.each<Damage>([
  [
    "a count of all that is too low",
    counted("all", "", "spent = spent - 1"),
    undefined,
    "limit all has counted 39 points",
  ],
  [
    "a member's count that is too high",
    counted("each", "bob", "spent = spent + 1"),
    undefined,
    "limit each has counted 31 points",
  ],
  [
    "a member's count that is gone",
    "delete from points.policy where member = 'eve'",
    undefined,
    "limit each has counted nothing, the entries make it 7 points",
  ],
  [
    "a count of a member who spent nothing",
    `insert into points.policy (user_id, member, name, since, spent) values ('ada', 'max', 'each', 4, 0)`,
    undefined,
    "limit each has counted 0 points from entry 4 until null, the entries make it nothing",
  ],
  [
    "a window that ends at another time",
    counted("all", "", "until = until - interval '1 hour'"),
    undefined,
    "limit all has counted 40 points",
  ],
  [
    "a window that began with another entry",
    counted("all", "", "since = since + 1"),
    undefined,
    "limit all has counted 40 points",
  ],
  [
    "a limit that counts from another entry",
    counted("all", "", "counts_from = counts_from + 1"),
    undefined,
    "limit all counts from entry 3, and not from 2",
  ],
  [
    "a limit that was passed",
    `${entry(2, "policy = replace(policy, '40', '28')")};
      ${counted("all", "", "rule = replace(rule, '40', '28')")}`,
    5n,
    "passes limit all: 30 points of 28",
  ],
  [
    "a charge that took less than it could, at no limit",
    `${entry(2, "policy = replace(policy, '40', '50')")};
      ${counted("all", "", "rule = replace(rule, '40', '50')")}`,
    8n,
    "lacks points, and leaves some in lot 1",
  ],
  ["a hold of another member", `update points.hold set member = 'eve' where ${lot(5)}`, 5n, "its hold is another member's"], // prettier-ignore
  ["a refund by another member", entry(7, "member = 'bob'"), 7n, "names another member than spent"],
])("behind hashes that fit, verify finds %s", async (_, change, sequence, finds) => {
  for (const statement of change.split(";")) await database.query(statement);
  await rehashAda(database, 1);
  const { wrong } = await verify(database.orm);
  expect(wrong).toMatchObject([{ userId: "ada", what: expect.stringContaining(finds) }]);
  expect(wrong[0]!.sequence).toBe(sequence);
});

test("behind hashes that fit, verify finds an end of a hold by another member", async () => {
  await run(database, [make.settle(5n, 4n)], 1n);
  await database.query(entry(9, "member = 'eve'"));
  await rehashAda(database, 1);
  const { wrong } = await verify(database.orm);
  expect(wrong).toMatchObject([{ sequence: 9n, what: "names another member than hold 5" }]);
});
