import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import type { Command } from "../../src/ledger/command.ts";
import type { Micros } from "../../src/ledger/time.ts";
import { ROW_MAX_LOTS } from "../../src/store/batch/placement.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { entryLine, NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

// The account's row holds the open lots that burn first, the table those beyond.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

const NEVER = { kind: "never" } as const;
const lots = (count: number, points = 1n) =>
  Array.from({ length: count }, () => ada.recharge(points));

type Step = {
  /** Microseconds after NOW; 0 if left out. */
  readonly at?: Micros;
  readonly does: readonly Command[];
  /** What the last command wrote, where it matters. */
  readonly says?: string;
  /** The lots in the row and in the table after it, as numbers; frozen ones have an f. */
  readonly row: string;
  readonly table: string;
};

const cases: Record<string, readonly Step[]> = {
  "a charge within the row's lots leaves the table alone": [
    { does: lots(20), row: numbers(1, 16), table: numbers(17, 20) },
    { does: [ada.consume(15n)], row: "16", table: numbers(17, 20) },
    { does: [ada.consume(1n)], row: "", table: numbers(17, 20) },
  ],
  "a charge beyond the row's lots fills the row again": [
    { does: lots(40), row: numbers(1, 16), table: numbers(17, 40) },
    { does: [ada.consume(17n)], row: numbers(18, 32), table: numbers(33, 40) },
    { does: [ada.consume(15n)], row: "", table: numbers(33, 40) },
    { does: [ada.consume(1n)], row: numbers(34, 40), table: "" },
    { does: [ada.recharge(1n)], row: `${numbers(34, 40)} 44`, table: "" },
  ],
  "a charge loads as many lots as it needs, and not one fewer": [
    { does: lots(60, 5n), row: numbers(1, 16), table: numbers(17, 60) },
    { does: [ada.consume(183n)], row: numbers(37, 37), table: numbers(38, 60) },
    { does: [ada.consume(2n)], row: "", table: numbers(38, 60) },
    { does: [ada.consume(114n)], row: "60", table: "" },
  ],
  "a new lot goes to the table while lots beyond the row may burn before it": [
    { does: lots(17), row: numbers(1, 16), table: "17" },
    { does: [ada.consume(16n)], row: "", table: "17" },
    { does: [ada.recharge(1n, NEVER, 0)], row: "", table: "17 19" },
    { does: [ada.consume(1n)], says: "20 consume 1: 1 of #17", row: "19", table: "" },
  ],
  "a new lot that burns earlier than the row's last pushes that one to the table": [
    {
      does: Array.from({ length: 17 }, () => ada.recharge(1n, NEVER, 5)),
      row: numbers(1, 16),
      table: "17",
    },
    { does: [ada.recharge(1n, NEVER, 1)], row: `${numbers(1, 15)} 18`, table: "16 17" },
    { does: [ada.recharge(1n, NEVER, 9)], row: `${numbers(1, 15)} 18`, table: "16 17 19" },
    {
      does: [ada.consume(2n)],
      says: "20 consume 2: 1 of #18, 1 of #1",
      row: numbers(2, 15),
      table: "16 17 19",
    },
  ],
  "a hold on lots in the row and beyond it goes back to them": [
    { does: lots(20), row: numbers(1, 16), table: numbers(17, 20) },
    {
      does: [ada.freezeUntil(18n, NOW + 50n)],
      row: "1f 2f 3f 4f 5f 6f 7f 8f 9f 10f 11f 12f 13f 14f 19 20",
      table: "15f 16f 17f 18f",
    },
    {
      does: [ada.settle(21n, 3n)],
      says: "22 settle 3 of hold 21, 15 returned: 1 of #1, 1 of #2, 1 of #3",
      row: numbers(4, 19),
      table: "20",
    },
  ],
  "lots that fall due in the row and beyond it are booked": [
    {
      does: Array.from({ length: 20 }, (_, index) =>
        ada.recharge(1n, { kind: "at", time: NOW + BigInt(index + 1) }),
      ),
      row: numbers(1, 16),
      table: numbers(17, 20),
    },
    { at: 18n, does: [ada.open()], row: "", table: "19 20" },
    { at: 19n, does: [ada.open()], row: "", table: "20" },
    { at: 19n, does: [ada.consume(1n)], row: "", table: "" },
  ],
  "a charge that finds the row's lots past their time takes from those beyond it": [
    {
      does: [
        ...Array.from({ length: 16 }, () => ada.recharge(1n, { kind: "at", time: NOW + 10n })),
        ...lots(4),
      ],
      row: numbers(1, 16),
      table: numbers(17, 20),
    },
    {
      at: 20n,
      does: [ada.consume(1n)],
      says: "22 consume 1: 1 of #17",
      row: numbers(18, 20),
      table: "",
    },
  ],
  "a lot beyond the row is expired by its name": [
    { does: lots(20), row: numbers(1, 16), table: numbers(17, 20) },
    { does: [ada.expireLot(19n)], row: numbers(1, 16), table: "17 18 20" },
    { does: [ada.expireLot(19n)], row: numbers(1, 16), table: "17 18 20" },
  ],
  "a closed lot is made again from its entry": [
    { does: lots(2, 5n), row: "1 2", table: "" },
    { does: [ada.consume(7n)], row: "2", table: "" },
    {
      does: [ada.refund(3n)],
      says: "4 refund 7 of entry 3: 2 of #2, 5 of #1",
      row: "1 2",
      table: "",
    },
  ],
  "a closed lot that a refund made is made again with the points that were its own": [
    {
      does: [ada.recharge(5n, { kind: "at", time: NOW + 10n }), ada.recharge(5n)],
      row: "1 2",
      table: "",
    },
    { does: [ada.consume(9n)], row: "2", table: "" },
    {
      at: 20n,
      does: [ada.refund(3n, undefined, 1_000n)],
      says: "4 refund 9 of entry 3, a new lot until +1020: 4 of #2, 5 of #4",
      row: "2 4",
      table: "",
    },
    { at: 20n, does: [ada.consume(6n)], row: "2", table: "" },
    { at: 21n, does: [ada.refund(5n, 6n)], row: "2 4", table: "" },
  ],
};

describe("the open lots of an account", () => {
  test.each(Object.entries(cases))("%s", async (title, steps) => {
    const userId = title.replaceAll(/[^a-z]+/g, "-").slice(0, 80);
    for (const { at = 0n, does, says, row, table } of steps) {
      const results = await commitAll(
        database.orm,
        does.map((command) => ({ ...command, userId })),
        { clock: stoppedClock(NOW + at) },
      );
      const written = lineOf(results.at(-1)!);
      expect(says ?? written).toBe(written);
      expect(await placesOf(userId)).toEqual({ row, table });
    }
  });

  test("of a refund's lot has the points that were its own", async () => {
    const userId = "own";
    const soon = { kind: "at", time: NOW + 10n } as const;
    const batches: [Micros, Command][] = [
      [0n, ada.recharge(5n, soon)],
      [0n, ada.recharge(5n)],
      [0n, ada.consume(9n)],
      [20n, ada.refund(3n, undefined, 1_000n)],
      [20n, ada.consume(10n)],
      [21n, ada.refund(5n)],
    ];
    for (const [at, command] of batches) {
      await commit(database.orm, [{ ...command, userId }], { clock: stoppedClock(NOW + at) });
    }
    const found = await database.query(
      "select number, points, remaining from points.open_lot where user_id = $1 order by number",
      [userId],
    );
    expect(found).toEqual([
      { number: "2", points: "5", remaining: "5" },
      { number: "4", points: "5", remaining: "5" },
    ]);
  });

  test("beyond the row are not read or written by a charge that the row can pay", async () => {
    const userId = "paid-by-the-row";
    const batch = lots(40).map((command) => ({ ...command, userId }));
    await commitAll(database.orm, batch);
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query("begin; lock table points.lot, points.hold in access exclusive mode");
    const charges = Array.from({ length: ROW_MAX_LOTS }, () => ({ ...ada.consume(1n), userId }));
    for (const charge of charges) {
      const [result] = await commit(database.orm, [charge]);
      expect(result).toMatchObject({ entry: { points: 1n } });
    }
    await other.end();
  });
});

/** What a command wrote, if anything. */
function lineOf(result: Awaited<ReturnType<typeof commitAll>>[number]): string {
  if (result instanceof Error) throw result;
  if ("reason" in result) return result.reason;
  return result.entry === undefined ? "nothing" : entryLine(result.entry);
}

/** The numbers of lots in the row and in the table; an f follows those with frozen points. */
async function placesOf(userId: string): Promise<{ row: string; table: string }> {
  const rows = await database.query(
    "select number, frozen, in_row from points.open_lot where user_id = $1 order by number",
    [userId],
  );
  const of = (inRow: boolean) =>
    rows
      .filter((one) => one["in_row"] === inRow)
      .map((one) => `${String(one["number"])}${one["frozen"] === "0" ? "" : "f"}`)
      .join(" ");
  return { row: of(true), table: of(false) };
}

function numbers(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index).join(" ");
}
