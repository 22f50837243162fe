import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askMovements } from "../../console/movements/ask-movements.ts";
import {
  addsUp,
  type AccountFigures,
  movementsOf,
  type MovementSum,
} from "../../console/movements/movements.ts";
import { whyUnnamed } from "../../console/movements/why-unnamed.ts";
import { kindsOf } from "../../console/parts/moves.ts";
import { ticksOf } from "../../console/movements/ticks.ts";
import { BEGINNING, choicesAt, rangeOf } from "../../console/movements/range.ts";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { Command } from "../../src/ledger/command.ts";
import { SWEEP } from "../support/allowances.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { Model } from "../support/model.ts";
import { projectAll } from "../support/projected.ts";
import { randomSteps, type Step } from "../support/random-commands.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

describe("the range", () => {
  const NOW = new Date(2026, 10, 29, 14, 5);
  test.each([
    [{}, ["2026-11-01", "2026-11-29"], [new Date(2026, 10, 1), undefined]],
    [{ from: "2026-10-05", to: "2026-10-05" }, ["2026-10-05", "2026-10-05"], undefined],
    [{ to: "2026-10-05" }, ["2026-10-01", "2026-10-05"], undefined],
    [{ from: "2026-11-31", to: "soon" }, ["2026-11-01", "2026-11-29"], undefined],
    [{ from: "2026-11-02", to: "2030-01-01" }, ["2026-11-02", "2026-11-29"], undefined],
    [
      { from: BEGINNING, to: "2026-10-31" },
      [undefined, "2026-10-31"],
      [undefined, new Date(2026, 10, 1)],
    ],
  ] as const)("of %o", (asked, [from, to], instants) => {
    expect(rangeOf(asked, NOW)).toMatchObject({ from, to });
    const { start, end } = rangeOf(asked, NOW)!;
    expect([start, end]).toEqual(instants ?? [start, end]);
  });

  test("that ends before it begins is none", () => {
    expect(rangeOf({ from: "2026-11-02", to: "2026-11-01" }, NOW)).toBeUndefined();
    expect(rangeOf({ from: "2026-11-30" }, NOW)).toBeUndefined();
  });

  test("of a choice is what it says", () => {
    expect(choicesAt(new Date(2027, 0, 31))).toEqual({
      thisMonth: { from: "2027-01-01", to: "2027-01-31" },
      lastMonth: { from: "2026-12-01", to: "2026-12-31" },
      last30Days: { from: "2027-01-02", to: "2027-01-31" },
      sinceBeginning: { from: BEGINNING, to: "2027-01-31" },
    });
  });
});

const account = (figures: Partial<AccountFigures>): AccountFigures => ({
  balance: 0n,
  frozen: 0n,
  debt: 0n,
  totalRecharged: 0n,
  totalRefunded: 0n,
  totalConsumed: 0n,
  totalExpired: 0n,
  totalRevoked: 0n,
  ...figures,
});

const { RECHARGE, CONSUME, SETTLE, FREEZE } = EntryKind;
const sum = (kind: EntryKind, of: string, points: bigint): MovementSum => {
  return {
    kind,
    category: kind === RECHARGE ? of : "",
    service: kind === RECHARGE ? "" : of,
    points,
  };
};

describe("the movements", () => {
  const start = account({ balance: 120n, totalRecharged: 130n, totalConsumed: 10n });
  const end = account({
    balance: 90n,
    frozen: 13n,
    totalRecharged: 180n,
    totalConsumed: 47n,
    totalExpired: 30n,
  });

  test("are by category and service, most first, and what the sums lack", () => {
    const found = movementsOf(start, end, [
      sum(RECHARGE, "gift", 20n),
      sum(RECHARGE, "", 25n),
      sum(CONSUME, "tts", 7n),
      sum(SETTLE, "video", 20n),
      sum(CONSUME, "video", 10n),
      sum(FREEZE, "video", 33n),
    ]);
    expect(found.start).toEqual({ balance: 120n, frozen: 0n, debt: 0n, net: 120n });
    expect(found.end.net).toBe(103n);
    expect(found.lines).toEqual([
      {
        name: "recharged",
        points: 50n,
        parts: [
          { of: "", points: 25n },
          { of: "gift", points: 20n },
          { of: undefined, points: 5n },
        ],
      },
      { name: "refunded", points: 0n, parts: [] },
      {
        name: "consumed",
        points: -37n,
        parts: [
          { of: "video", points: -30n },
          { of: "tts", points: -7n },
        ],
      },
      { name: "expired", points: -30n, parts: [{ of: undefined, points: -30n }] },
      { name: "revoked", points: 0n, parts: [] },
    ]);
    expect(addsUp(found)).toBe(true);
  });

  test("without sums are the totals alone", () => {
    const { lines } = movementsOf(start, end, undefined);
    expect(lines.map(({ points }) => points)).toEqual([50n, 0n, -37n, -30n, 0n]);
    expect(lines.every(({ parts }) => parts === undefined)).toBe(true);
  });

  test("of before there was an account begin with nothing; debt counts against what there is", () => {
    const owing = account({ debt: 5n, totalRecharged: 10n, totalConsumed: 15n });
    const found = movementsOf(undefined, owing, []);
    expect([found.start.net, found.end.net, addsUp(found)]).toEqual([0n, -5n, true]);
  });

  test("of an allowance that lapsed without an entry take back what had been counted", () => {
    const counted = account({ balance: 30n, totalRecharged: 30n });
    const found = movementsOf(counted, account({}), []);
    expect(found.lines[0]).toMatchObject({ parts: [{ of: undefined, points: -30n }] });
    expect(addsUp(found)).toBe(true);
  });

  test.each([
    ["recharged", 3n, "lacking"],
    ["recharged", -3n, "lapsed"],
    ["expired", 3n, "lapsed"],
    ["consumed", -3n, "lacking"],
    ["consumed", 3n, "ahead"],
    ["refunded", -3n, "ahead"],
  ] as const)("of what is %s differ from the sums by %s, which is %s", (name, points, why) => {
    expect(whyUnnamed(name, points)).toBe(why);
  });

  test.each([
    ["nothing", 0n, [], 0n, [0, 1]],
    ["debt", 0n, [100n, -91n, -100n], -91n, [-100, -50, 0, 50, 100]],
    ["much", 1_298n, [2_038n, -630n], 2_706n, [0, 1_000, 2_000, 3_000, 4_000]],
  ])("of %s are drawn with round ticks", (_, first, steps, last, ticks) => {
    const standing = (net: bigint) => ({ balance: net, frozen: 0n, debt: 0n, net });
    const lines = steps.map((points) => ({ name: "recharged", points, parts: [] }) as const);
    expect(ticksOf({ start: standing(first), lines, end: standing(last) })).toEqual(ticks);
  });

  test("that do not add up are found", () => {
    expect(addsUp(movementsOf(start, { ...end, balance: 91n }, []))).toBe(false);
  });
});

describe("the movements of random journals", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  const QUARTER_MS = 900_000;
  const BEGIN_MS = Date.UTC(2026, 0, 1);
  const borders = [0, 1, 2].map((quarter) => new Date(BEGIN_MS + quarter * QUARTER_MS));

  /** Commits steps for users of a run, a third of them in each quarter of an hour. */
  async function commitStory(steps: readonly Step[], run: string): Promise<string[]> {
    const model = new Model();
    const users = new Set<string>();
    let later = 1n;
    for (const [at, step] of steps.entries()) {
      later += step.laterBy;
      const quarter = Math.floor((at * 3) / steps.length);
      const now = BigInt(BEGIN_MS + quarter * QUARTER_MS) * 1_000n + later;
      const commands = step.commands.map((command): Command => {
        return model.aim({ ...command, userId: `${command.userId}-${run}` });
      });
      await commitAll(database.orm, commands, { clock: stoppedClock(now) });
      for (const command of commands) {
        model.run(command, now);
        users.add(command.userId);
      }
    }
    const rows = await database.query("select user_id from points.account");
    const made = rows.map((row) => String(row["user_id"])).filter((user) => users.has(user));
    // Else the server's sweeper may do so between two reads.
    for (const userId of made) await commitAll(database.orm, [{ ...SWEEP, userId }]);
    return made;
  }

  test("add up between any two instants, and their parts are the entries' points", async () => {
    let run = 0;
    let parts = 0;
    const { client } = server;
    const property = fc.asyncProperty(randomSteps(30), async (steps) => {
      run += 1;
      const users = await commitStory(steps, String(run));
      await projectAll(database);
      for (const user of users) {
        const { entries } = await client.listEntries({ userId: user, pageSize: 1_000 });
        for (const [start, end] of [
          [borders[0], borders[1]],
          [borders[1], borders[2]],
          [borders[1], undefined],
          [undefined, undefined],
        ] as const) {
          const found = await askMovements(client, { user, range: { start, end }, withSums: true });
          expect(addsUp(found)).toBe(true);
          for (const line of found.lines) {
            const booked = entries
              .filter(({ kind }) => kindsOf(line.name).includes(kind))
              .filter(({ createTime }) => {
                const ms = Number(createTime!.seconds) * 1_000;
                return ms >= (start?.getTime() ?? 0) && ms < (end?.getTime() ?? Infinity);
              })
              .reduce((all, { points }) => all + points, 0n);
            const named = line.parts!.filter(({ of }) => of !== undefined);
            const shown = named.reduce((all, { points }) => all + points, 0n);
            expect(shown < 0n ? -shown : shown).toBe(booked);
            parts += named.length;
          }
        }
      }
    });
    await fc.assert(property, { numRuns: 8 });
    expect(parts).toBeGreaterThan(20);
  });
});
