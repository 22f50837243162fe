import { afterAll, beforeAll, expect, test } from "vitest";
import type { Command, Mutation } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { entryLine, NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

// Hashes that commands expect, compared with those of entries in the database.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

test("each of four commands finds the entry that it means, in one batch of two accounts", async () => {
  const before = [
    ada.recharge(100n),
    ada.freeze(10n),
    ada.freeze(10n),
    ada.consume(10n),
    ada.recharge(5n),
  ];
  const ofAda = await madeBy("ada", before);
  const ofBob = await madeBy("bob", before);
  const each = (userId: string, { entries, offset }: { entries: Entry[]; offset: number }) => {
    const hash = (sequence: number) => entries[(sequence - 1 + offset) % entries.length]!.hash;
    return [
      ada.guarded(ada.settle(2n, 4n), hash(2)),
      ada.guarded(ada.release(3n), hash(3)),
      ada.guarded(ada.refund(4n), hash(4)),
      ada.guarded(ada.expireLot(5n), hash(5)),
    ].map((command) => ({ ...command, userId }));
  };
  const changed = Array.from({ length: 4 }, () => "ENTRY_CHANGED");
  // Bob's hashes are of the same numbers, and so are Ada's entries after them.
  expect(await say(each("ada", { entries: ofBob, offset: 0 }))).toEqual(changed);
  expect(await say(each("ada", { entries: ofAda, offset: 1 }))).toEqual(changed);
  const both = [
    ...each("ada", { entries: ofAda, offset: 0 }),
    ...each("bob", { entries: ofBob, offset: 0 }),
  ];
  const done = [
    "6 settle 4 of hold 2, 6 returned: 4 of #1",
    "7 release 10 of hold 3: 10 of #1",
    "8 refund 10 of entry 4: 10 of #1",
    "9 expire 5: 5 of #5",
  ];
  expect(await say(both)).toEqual([...done, ...done]);
});

test("a lot that a refund made is meant by the hash of that refund", async () => {
  const userId = "reissued";
  const until = { kind: "at", time: NOW + 10n } as const;
  const [, spent] = await madeBy(userId, [ada.recharge(5n, until), ada.consume(5n)]);
  const [again] = await madeBy(userId, [ada.refund(2n, undefined, 50n)], 20n);
  const lot = again!.sequence;
  const expire = (hash: Uint8Array) => ({
    ...ada.guarded(ada.expireLot(lot), hash),
    userId,
  });
  expect(await say([expire(spent!.hash), expire(again!.hash)], 20n)).toEqual([
    "ENTRY_CHANGED",
    "4 expire 5: 5 of #3",
  ]);
});

test("a hold that is made in the batch has a hash in it, which no caller can know before", async () => {
  const userId = "batched";
  const [first] = await madeBy(userId, [ada.recharge(100n)]);
  const batch: Mutation[] = [
    ada.freeze(10n),
    ada.guarded(ada.settle(2n), first!.hash),
    ada.guarded(ada.release(3n), first!.hash),
    ada.settle(2n),
  ];
  expect(await say(batch.map((command) => ({ ...command, userId })))).toEqual([
    "2 freeze 10 until +50: 10 of #1",
    "ENTRY_CHANGED",
    "HOLD_NOT_FOUND",
    "3 settle 10 of hold 2: 10 of #1",
  ]);
});

async function madeBy(userId: string, commands: readonly Mutation[], at = 0n): Promise<Entry[]> {
  const results = await commitAt(
    commands.map((command) => ({ ...command, userId })),
    at,
  );
  return results.map((result) => {
    if (isRejection(result)) throw new Error(result.reason);
    return result.entry!;
  });
}

async function say(commands: readonly Command[], at = 0n): Promise<string[]> {
  const results = await commitAt(commands, at);
  return results.map((result) => (isRejection(result) ? result.reason : entryLine(result.entry!)));
}

async function commitAt(commands: readonly Command[], at: bigint) {
  const results = await commitAll(database.orm, commands, { clock: stoppedClock(NOW + at) });
  return results.map((result) => {
    if (result instanceof Error) throw result;
    return result;
  });
}
