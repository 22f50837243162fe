import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { MAX_OPEN_LOTS } from "../../src/ledger/lot.ts";
import { loadStates } from "../../src/store/batch/load.ts";
import { lockAccounts } from "../../src/store/batch/lock.ts";
import { ROW_MAX_LOTS } from "../../src/store/batch/placement.ts";
import { batchMoment } from "../../src/store/driver/clock.ts";
import { inTransaction } from "../../src/store/driver/transaction.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

// What a caller can make a batch load, in lots: of Ada, who has as many as an account may have, of 2
// points each; of Bob, who has spent, frozen and got back a thousand; and of Cleo, who has 40, some of
// them spent or frozen.

const BOBS_LOTS = 1_000;
const HOUR = 3_600_000_000n;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  const lots = (count: number, userId: string) =>
    commitAll(
      database.orm,
      Array.from({ length: count }, () => ({ ...ada.recharge(2n), userId })),
    );
  await lots(MAX_OPEN_LOTS, "ada");
  await lots(BOBS_LOTS, "bob");
  await lots(40, "cleo");
  const ofCleo = [ada.consume(10n), ada.freeze(10n, HOUR)];
  await commitAll(
    database.orm,
    ofCleo.map((command) => ({ ...command, userId: "cleo" })),
  );
  const ofBob = [
    ada.freeze(BigInt(BOBS_LOTS) * 2n, HOUR), // 1001
    ada.release(1_001n),
    ada.consume(BigInt(BOBS_LOTS) * 2n), // 1003
  ];
  await commitAll(
    database.orm,
    ofBob.map((command) => ({ ...command, userId: "bob" })),
  );
});
afterAll(() => database.close());

describe("a batch loads of an account with 4,096 lots", () => {
  const cases: [title: string, commands: readonly Command[], beyondRow: number][] = [
    ["nothing beyond its row for a charge", [ada.consume(30n)], 0],
    ["enough for a charge, and to fill the row again", [ada.consume(33n)], ROW_MAX_LOTS],
    ["nothing for a charge of more than it has", [ada.consume(1_000_000_000_000n)], 0],
    ["nothing for a hold of a point more than it has", [ada.freeze(8_193n)], 0],
    ["all for a charge of all that it has", [ada.consume(8_192n)], MAX_OPEN_LOTS - ROW_MAX_LOTS],
    [
      "all for a charge of what it has after a recharge",
      [ada.recharge(5n), ada.consume(8_197n)],
      MAX_OPEN_LOTS - ROW_MAX_LOTS,
    ],
    ["nothing more for the expiry of a lot in the row", [ada.expireLot(3n)], 0],
    ["one lot for its expiry", [ada.expireLot(3_000n)], 1],
    ["nothing for the expiry of a lot that there is not", [ada.expireLot(999_999n)], 0],
    [
      "enough for a charge beside the expiry of a lot beyond the row",
      [ada.expireLot(17n), ada.consume(96n)],
      34,
    ],
    [
      "enough for a charge beside the expiry of a lot in the row",
      [ada.expireLot(3n), ada.consume(31n)],
      ROW_MAX_LOTS,
    ],
  ];
  test.each(cases)("%s", async (_, commands, beyondRow) => {
    expect(await loadedOf("ada", commands)).toMatchObject({ lots: ROW_MAX_LOTS + beyondRow });
  });
});

describe("a batch loads of an account with a thousand closed lots", () => {
  const cases: [title: string, commands: readonly Command[], lots: number][] = [
    ["one for a refund of a point", [ada.refund(1_003n, 1n)], 1],
    ["two for refunds that reach them", [ada.refund(1_003n, 2n), ada.refund(1_003n, 1n)], 2],
    ["all for a refund of all", [ada.refund(1_003n)], BOBS_LOTS],
    ["none for a refund of more than was spent", [ada.refund(1_003n, 2_001n)], 0],
    ["none for a refund of what was set aside", [ada.refund(1_001n)], 0],
    ["none for the release of a hold that is closed", [ada.release(1_001n)], 0],
  ];
  test.each(cases)("%s", async (_, commands, lots) => {
    const ofBob = commands.map((command) => ({ ...command, userId: "bob" }));
    expect(await loadedOf("bob", ofBob)).toMatchObject({ lots });
  });

  test("no allocations of what cannot be given back", async () => {
    const commands = [ada.refund(1_001n), ada.release(1_001n)];
    const ofBob = commands.map((command) => ({ ...command, userId: "bob" }));
    expect(await loadedOf("bob", ofBob)).toMatchObject({ allocations: 0 });
  });
});

test("a batch loads all lots for a charge that a refund and a release before it can pay", async () => {
  const giveBack = [ada.refund(41n), ada.release(42n)];
  const ofCleo = [...giveBack, ada.consume(80n)].map((one) => ({ ...one, userId: "cleo" }));
  expect(await loadedOf("cleo", ofCleo)).toMatchObject({ lots: 40 });
});

/** How many lots, and allocations of entries and holds, the commands of one user make a batch load. */
async function loadedOf(userId: string, commands: readonly Command[]) {
  return inTransaction(database.orm, async (transaction) => {
    const { run } = transaction;
    const locked = lockAccounts(transaction, [userId]);
    const { states } = await loadStates(run, { commands, locked, moment: batchMoment(run) });
    const { lots, entries, holds } = states[0]!;
    const allocations = [...entries.values(), ...holds].flatMap((one) => one.allocations);
    return { lots: lots.length, allocations: allocations.length };
  });
}
