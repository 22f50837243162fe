import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { erase } from "../../src/commit/erase.ts";
import type { Command } from "../../src/ledger/command.ts";
import { keepLargest } from "../../src/projection/largest.ts";
import { scan } from "../../src/projection/scan.ts";
import { inSnapshot } from "../../src/store/driver/transaction.ts";
import type { ReadSnapshot } from "../../src/store/reads/account-page.ts";
import { TooOld } from "../../src/store/reads/lagging.ts";
import { WEEK } from "../../src/store/reads/overview-text.ts";
import { consume, freeze, recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { scanAt } from "../support/scan-at.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

const DAY = 86_400_000_000n;

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  return () => database.close();
});

describe("what expires", () => {
  const T = 400n * DAY;

  test("is summed by the week, which begins with its first instant", async () => {
    const lots = [
      { expireTime: T, points: 1n },
      { expireTime: T + 1n, points: 10n },
      { expireTime: T + WEEK - 1n, points: 100n },
      { expireTime: T + WEEK, points: 1_000n },
      { expireTime: T + 53n * WEEK - 1n, points: 10_000n },
      { expireTime: T + 53n * WEEK, points: 100_000n },
    ].map(({ expireTime, points }) => recharge(points, { kind: "at", time: expireTime }));
    await commitAll(database.orm, [...lots, recharge(1_000_000n)], { clock: stoppedClock(T - 1n) });
    const { sums } = await scanAt(database.orm, T);
    // The first lot is past its time.
    expect(sums).toMatchObject({ accounts: 1n, balance: 1_111_110n });
    expect(sums).toMatchObject({ expiringLater: 100_000n, neverExpiring: 1_000_000n });
    const weeks = sums.expiring.map((points, week) => ({ week, points }));
    expect(weeks.filter(({ points }) => points > 0n)).toEqual([
      { week: 0, points: 110n },
      { week: 1, points: 1_000n },
      { week: 52, points: 10_000n },
    ]);
  });

  test("is the same of lots that the account's row does not hold", async () => {
    const lots = Array.from({ length: 40 }, (_, week) => {
      const time = T + BigInt(week) * WEEK;
      return recharge(BigInt(week + 1), { kind: "at", time });
    });
    // A hold of points of the lots of the first weeks, which ends before the last of these.
    const held = freeze(30n, 8n * WEEK);
    await commitAll(database.orm, [...lots, held], { clock: stoppedClock(T - 1n) });
    const later = T + 20n * WEEK + 1n;
    const { sums } = await scanAt(database.orm, later);
    const left = Array.from({ length: 19 }, (_, week) => BigInt(week + 22));
    expect(sums.expiring.slice(0, 19)).toEqual(left);
    expect(sums).toMatchObject({ frozen: 0n, balance: left.reduce((a, b) => a + b) });
  });
});

test.each([
  { maxRows: 5, pages: 2 },
  { maxRows: 1, pages: 3 },
])("a page ends before the account with lot $maxRows and one more", async (page) => {
  const lots = ["ada", "bea", "cleo"].flatMap((userId) =>
    Array.from({ length: 18 }, () => ({ ...recharge(1n), userId })),
  );
  await commitAll(database.orm, lots, { clock: stoppedClock(5n) });
  let pages = 0;
  const goesOn = async () => (pages += 1) < 100;
  const { sums } = await scanAt(database.orm, 5n, { maxRows: page.maxRows, goesOn });
  // Two of each account's lots are in the table.
  expect(pages).toBe(page.pages);
  expect(sums).toMatchObject({ accounts: 3n, balance: 54n, neverExpiring: 54n });
});

describe("while accounts change", () => {
  const clock = stoppedClock(5n);
  const of = (userId: string, command: Command): Command => ({ ...command, userId });

  test("a scan counts each account once, as it was when its page was read", async () => {
    const users = ["ada", "bea", "cleo", "dora"];
    await commitAll(
      database.orm,
      users.map((userId) => of(userId, recharge(10n))),
      { clock },
    );
    let pages = 0;
    const goesOn = async () => {
      pages += 1;
      // Ada's and Bea's pages are behind it.
      if (pages === 2) {
        const commands = [
          of("ada", consume(1n)),
          of("cleo", consume(3n)),
          of("alma", recharge(100n)),
          of("eve", recharge(1_000n)),
        ];
        await commitAll(database.orm, commands, { clock });
      }
      return pages < 100;
    };
    const { sums, largest } = await scanAt(database.orm, 5n, { maxAccounts: 1, goesOn });
    expect(pages).toBe(5);
    expect(sums).toMatchObject({ accounts: 5n, balance: 1_037n });
    expect(largest.map(({ userId }) => userId)).toEqual(["eve", "ada", "bea", "dora", "cleo"]);
  });

  test("a scan misses nobody who is erased, since the new name comes later", async () => {
    await commitAll(database.orm, [of("ada", recharge(1n)), of("bea", recharge(10n))], { clock });
    const goesOn = async () => {
      await erase(database.orm, "bea", { clock }).catch(() => {});
      return true;
    };
    const { sums } = await scanAt(database.orm, 5n, { maxAccounts: 1, goesOn });
    expect(sums).toMatchObject({ accounts: 2n, balance: 11n });
  });
});

test("the largest are those of a sort by balance, and of those alike the first", () => {
  const balances = fc.array(fc.bigInt({ min: 0n, max: 6n }), { maxLength: 40 });
  fc.assert(
    fc.property(balances, fc.integer({ min: 1, max: 8 }), (all, max) => {
      const accounts = all.map((balance, at) => {
        return { userId: `user-${at}`, balance, frozen: 1n, debt: 0n };
      });
      const largest = keepLargest(max);
      for (const account of accounts) largest.add(account);
      const sorted = accounts
        .filter(({ balance }) => balance > 0n)
        .toSorted((a, b) => Number(b.balance - a.balance));
      expect(largest.list()).toEqual(sorted.slice(0, max));
    }),
  );
});

test("a scan goes on at the primary while a standby is older than its beginning", async () => {
  const T = 400n * DAY;
  const lot = recharge(7n, { kind: "at", time: T });
  await commitAll(database.orm, [lot, recharge(1n)], { clock: stoppedClock(T - 2n) });
  let calls = 0;
  const read: ReadSnapshot = (work) =>
    inSnapshot(database.orm, async (run) => {
      const isFirst = (calls += 1) === 1;
      try {
        return await work({ run, asOf: isFirst ? T : T - 1n, lags: true });
      } catch (error) {
        if (!(error instanceof TooOld)) throw error;
        return work({ run, asOf: T + 1n, lags: false });
      }
    });
  const signal = new AbortController().signal;
  const found = await scan(read, { goesOn: async () => true, signal, pauses: 0 });
  expect(found).toMatchObject({ asOf: T, endTime: T + 1n, sums: { balance: 1n } });
});
