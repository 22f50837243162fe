import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { type Overview, WEEK, WEEKS } from "../../src/store/reads/overview-text.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { assertUntil } from "../support/enough.ts";
import { Model } from "../support/model.ts";
import { LONG_MS } from "../support/patience.ts";
import { randomSteps, type Step } from "../support/random-commands.ts";
import { randomYears } from "../support/random-years.ts";
import { scanAt } from "../support/scan-at.ts";
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
        const found = await scanAt(database.orm, end + wait * later, { maxAccounts, maxRows });
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
    await assertUntil(isEnough, property, 8);
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
