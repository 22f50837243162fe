import { afterAll, beforeAll, expect, test } from "vitest";
import { UNOBSERVED } from "../../src/commit/observer.ts";
import type { Fault } from "../../src/errors/database-fault.ts";
import type { Command } from "../../src/ledger/command.ts";
import { daily } from "../support/allowances.ts";
import { auditDatabase } from "../support/audit.ts";
import {
  consume,
  expireLot,
  freeze,
  recharge,
  refund,
  release,
  putPolicy,
} from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { entryLine } from "../support/statement.ts";

// Only the lots that a batch may reach are loaded: each case is one batch on lots of 5 points.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

const NEVER = { kind: "never" } as const;
const MINUTE = 60_000_000n;

const cases: [title: string, ofBatch: Command[], said: string[]][] = [
  [
    "a charge takes from the lots that burn first, and no lot is skipped",
    [consume(12n), consume(1n)],
    ["41 consume 12: 5 of #1, 5 of #2, 2 of #3", "42 consume 1: 1 of #3"],
  ],
  [
    "a lot that an earlier command expires supplies nothing to a later one",
    [recharge(100n, NEVER, 3), expireLot(1n), consume(8n)],
    ["41 recharge 100: 100 of #41", "42 expire 5: 5 of #1", "43 consume 8: 5 of #2, 3 of #3"],
  ],
  [
    "a lot far down the order can be expired by its name",
    [expireLot(40n), consume(6n)],
    ["41 expire 5: 5 of #40", "42 consume 6: 5 of #1, 1 of #2"],
  ],
  [
    "a charge may take all that there is, and the next is refused",
    [consume(200n), consume(1n)],
    [
      `41 consume 200: ${Array.from({ length: 40 }, (_, n) => `5 of #${n + 1}`).join(", ")}`,
      "INSUFFICIENT_POINTS",
    ],
  ],
  [
    "a hold on lots in the middle goes back to them",
    [freeze(11n, MINUTE), release(41n), consume(1n)],
    [
      "41 freeze 11: 5 of #1, 5 of #2, 1 of #3",
      "42 release 11 of hold 41: 5 of #1, 5 of #2, 1 of #3",
      "43 consume 1: 1 of #1",
    ],
  ],
];

test.for(cases)("%s", async ([title, ofBatch, said]) => {
  const userId = title.replaceAll(" ", "-");
  const aim = (command: Command): Command => ({ ...command, userId });
  await commitAll(
    database.orm,
    Array.from({ length: 40 }, () => aim(recharge(5n))),
  );
  const results = await commitAll(database.orm, ofBatch.map(aim));
  const lines = results.map((result) => {
    if (result instanceof Error) throw result;
    if ("reason" in result) return result.reason;
    return entryLine(result.entry!).replace(/ until \S+(?=:)/, "");
  });
  expect(lines).toEqual(said);
});

test("accounts with few lots and with many share a batch", async () => {
  const lotCounts = { few: 15, limit: 16, more: 17 };
  const users = Object.entries(lotCounts);
  await commitAll(
    database.orm,
    users.flatMap(([userId, count]) =>
      Array.from({ length: count }, (): Command => ({ ...recharge(5n), userId })),
    ),
  );
  const results = await commitAll(
    database.orm,
    users.map(([userId, count]): Command => ({ ...consume(BigInt(count) * 5n), userId })),
  );
  expect(results).toMatchObject(users.map(([userId]) => ({ account: { userId, balance: 0n } })));
});

test("what an allowance gives at once is spent together with lots that are not in the row", async () => {
  const aim = (command: Command): Command => ({ ...command, userId: "given" });
  const lots = Array.from({ length: 40 }, () => aim(recharge(5n)));
  await commitAll(database.orm, lots);
  const faults: Fault[] = [];
  const observer = { ...UNOBSERVED, retried: (fault: Fault) => void faults.push(fault) };
  const { startTime: _, ...plan } = daily({ points: 1_000n });
  const batch = [putPolicy("plan", { ...plan, startTime: undefined }), consume(1_150n)].map(aim);
  const results = await commitAll(database.orm, batch, { observer });
  expect(results).toMatchObject([{}, { account: { balance: 50n } }]);
  expect(faults).toEqual([]);
});

test("a closed lot to which two commands of a batch give back is there once", async () => {
  const aim = (command: Command): Command => ({ ...command, userId: "giving-back" });
  await commitAll(database.orm, [recharge(5n), consume(5n)].map(aim));
  const faults: Fault[] = [];
  const observer = { ...UNOBSERVED, retried: (fault: Fault) => void faults.push(fault) };
  const twice = [refund(2n, 2n), refund(2n, 3n)].map(aim);
  const results = await commitAll(database.orm, twice, { observer });
  expect(results).toMatchObject([{ account: { balance: 2n } }, { account: { balance: 5n } }]);
  expect(faults).toEqual([]);
});
