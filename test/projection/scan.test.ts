import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { erase } from "../../src/commit/erase.ts";
import type { Command } from "../../src/ledger/command.ts";
import { keepLargest } from "../../src/projection/largest.ts";
import { scan, type ScanOptions } from "../../src/projection/scan.ts";
import { type Overview, WEEK, WEEKS } from "../../src/store/reads/held.ts";
import { consume, freeze, recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { assertUntil } from "../support/enough.ts";
import { Model } from "../support/model.ts";
import { LONG_MS } from "../support/patience.ts";
import { randomSteps, type Step } from "../support/random-commands.ts";
import { randomYears } from "../support/random-years.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

const DAY = 86_400_000_000n;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

/** An account, with the model that knows it. */
type Known = { readonly userId: string; readonly model: Model };

test.each([
  { on: "", random: randomSteps(20, 30), later: 1n, weeks: 0 },
  { on: " with policies over years", random: randomYears(30), later: DAY, weeks: 5 },
])(
  "a scan finds what the naive model says of all accounts$on, what is due by then included",
  async ({ random, later, weeks }) => {
    const seen = { due: 0, beyond: 0, weeks: new Set<number>() };
    const stories = fc.tuple(
      fc.array(random, { minLength: 3, maxLength: 3 }),
      fc.array(fc.bigInt({ min: 0n, max: 40n }), { minLength: 2, maxLength: 2 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 60 }),
    );
    const property = fc.asyncProperty(stories, async ([all, waits, maxAccounts, maxRows]) => {
      await database.query("truncate points.account, points.entry, points.receipt");
      await database.query("truncate points.lot, points.hold, points.policy, points.undone");
      const known: Known[] = [];
      const ends = await Promise.all(all.map((steps, run) => commitStory(steps, run, known)));
      const end = ends.reduce((a, b) => (a > b ? a : b));
      for (const wait of waits) {
        const found = await scanAt(end + wait * later, { maxAccounts, maxRows });
        expect({ ...found, endTime: found.asOf }).toEqual(expectedAt(known, found.asOf));
        const { expiring } = found.sums;
        for (const [week, points] of expiring.entries()) if (points > 0n) seen.weeks.add(week);
        const [row] = await database.query("select sum(balance)::text as sum from points.account");
        if (row!["sum"] !== String(found.sums.balance)) seen.due += 1;
      }
      seen.beyond += (await database.query("select from points.lot where remaining > 0")).length;
    });
    const isEnough = () =>
      seen.due > 9 && (weeks === 0 ? seen.beyond > 9 : seen.weeks.size > weeks);
    await assertUntil(isEnough, property, 12);
  },
  LONG_MS,
);

/** Commits it for users of its own; gives the time at its end. */
async function commitStory(steps: readonly Step[], run: number, known: Known[]): Promise<bigint> {
  const model = new Model();
  const users = new Set<string>();
  let now = 1n;
  for (const { laterBy, commands } of steps) {
    now += laterBy;
    const ofRun = commands.map((command): Command => {
      return model.aim({ ...command, userId: `${command.userId}-${run}` });
    });
    await commitAll(database.orm, ofRun, { clock: stoppedClock(now) });
    for (const command of ofRun) {
      model.run(command, now);
      users.add(command.userId);
    }
  }
  known.push(...[...users].map((userId) => ({ userId, model })));
  return now;
}

describe("what expires", () => {
  const T = 400n * DAY;

  test("is summed by the week, which begins with its first instant", async () => {
    const db = await freshDatabase();
    const lots = [
      { expireTime: T, points: 1n },
      { expireTime: T + 1n, points: 10n },
      { expireTime: T + WEEK - 1n, points: 100n },
      { expireTime: T + WEEK, points: 1_000n },
      { expireTime: T + 53n * WEEK - 1n, points: 10_000n },
      { expireTime: T + 53n * WEEK, points: 100_000n },
    ].map(({ expireTime, points }) => recharge(points, { kind: "at", time: expireTime }));
    await commitAll(db.orm, [...lots, recharge(1_000_000n)], { clock: stoppedClock(T - 1n) });
    const { sums } = await scanAt(T, {}, db);
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
    const db = await freshDatabase();
    const lots = Array.from({ length: 40 }, (_, week) => {
      const time = T + BigInt(week) * WEEK;
      return recharge(BigInt(week + 1), { kind: "at", time });
    });
    // A hold of points of the lots of the first weeks, which ends before the last of these.
    const held = freeze(30n, 8n * WEEK);
    await commitAll(db.orm, [...lots, held], { clock: stoppedClock(T - 1n) });
    const later = T + 9n * WEEK + 1n;
    const { sums } = await scanAt(later, {}, db);
    const left = Array.from({ length: 30 }, (_, week) => BigInt(week + 11));
    expect(sums.expiring.slice(0, 30)).toEqual(left);
    expect(sums).toMatchObject({ frozen: 0n, balance: left.reduce((a, b) => a + b) });
  });
});

describe("while accounts change", () => {
  const clock = stoppedClock(5n);
  const of = (userId: string, command: Command): Command => ({ ...command, userId });

  test("a scan counts each account once, as it was when its page was read", async () => {
    const db = await freshDatabase();
    const users = ["ada", "bea", "cleo", "dora"];
    await commitAll(
      db.orm,
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
        await commitAll(db.orm, commands, { clock });
      }
      return true;
    };
    const { sums, largest } = await scanAt(5n, { maxAccounts: 1, goesOn }, db);
    expect(pages).toBe(5);
    expect(sums).toMatchObject({ accounts: 5n, balance: 1_037n });
    expect(largest.map(({ userId }) => userId)).toEqual(["eve", "ada", "bea", "dora", "cleo"]);
  });

  test("a scan misses nobody who is erased, since the new name comes later", async () => {
    const db = await freshDatabase();
    await commitAll(db.orm, [of("ada", recharge(1n)), of("bea", recharge(10n))], { clock });
    const goesOn = async () => {
      await erase(db.orm, "bea", { clock }).catch(() => {});
      return true;
    };
    const { sums } = await scanAt(5n, { maxAccounts: 1, goesOn }, db);
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

async function freshDatabase(): Promise<TestDatabase> {
  const fresh = await testDatabase();
  onTestFinished(() => fresh.close());
  return fresh;
}

async function scanAt(
  micros: bigint,
  options: Partial<ScanOptions>,
  { orm }: Pick<TestDatabase, "orm"> = database,
): Promise<Overview> {
  let pages = 0;
  const found = await scan(orm, {
    // One that goes round in circles ends, too.
    goesOn: async () => (pages += 1) < 1_000,
    signal: new AbortController().signal,
    pauses: 0,
    clock: async () => micros,
    ...options,
  });
  return found!;
}

/** What the models say of all accounts, computed anew. */
function expectedAt(known: readonly Known[], asOf: bigint): Overview {
  const accounts = known.flatMap(({ userId, model }) => {
    const shown = model.shown(userId, asOf);
    return shown === undefined ? [] : [{ userId, ...shown }];
  });
  const lots = known.flatMap(({ userId, model }) => model.lotsAt(userId, asOf));
  const sum = (values: readonly bigint[]) => values.reduce((all, one) => all + one, 0n);
  const between = (from: bigint, to: bigint | null) =>
    sum(
      lots
        .filter(({ expireTime }) => expireTime !== null && expireTime >= from)
        .filter(({ expireTime }) => to === null || expireTime! < to)
        .map(({ points }) => points),
    );
  const end = asOf + BigInt(WEEKS) * WEEK;
  return {
    asOf,
    endTime: asOf,
    sums: {
      accounts: BigInt(accounts.length),
      balance: sum(accounts.map(({ balance }) => balance)),
      frozen: sum(accounts.map(({ frozen }) => frozen)),
      debt: sum(accounts.map(({ debt }) => debt)),
      expiring: Array.from({ length: WEEKS }, (_, week) => {
        const start = asOf + BigInt(week) * WEEK;
        return between(start, start + WEEK);
      }),
      expiringLater: between(end, null),
      neverExpiring: sum(
        lots.filter(({ expireTime }) => expireTime === null).map(({ points }) => points),
      ),
    },
    largest: accounts
      .filter(({ balance }) => balance > 0n)
      .toSorted((a, b) => Number(b.balance - a.balance) || (a.userId < b.userId ? -1 : 1))
      .map(({ userId, balance, frozen, debt }) => ({ userId, balance, frozen, debt }))
      .slice(0, 1_000),
  };
}
