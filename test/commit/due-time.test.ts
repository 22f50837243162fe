import { afterAll, beforeAll, expect, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import type { Command } from "../../src/ledger/command.ts";
import type { Micros } from "../../src/ledger/time.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

// The account's clock (due_time): each command at its time, and what the row says after it.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

type Row = { readonly due: bigint | null; readonly openHolds: number; readonly sequence: number };
type Step = readonly [title: string, at: Micros, command: Command, row: Row];

const row = (due: bigint | null, openHolds: number, sequence: number): Row => ({
  due,
  openHolds,
  sequence,
});

const rechargeUntil = (points: bigint, at: bigint) =>
  ada.recharge(points, { kind: "at", time: NOW + at });

const LIVES: readonly [title: string, steps: readonly Step[]][] = [
  [
    "is the first instant at which a lot or a hold ends",
    [
      ["never", 0n, ada.recharge(50n), row(null, 0, 1)],
      ["a lot", 0n, rechargeUntil(10n, 90n), row(90n, 0, 2)],
      ["a later lot", 0n, rechargeUntil(10n, 100n), row(90n, 0, 3)],
      ["an earlier hold", 0n, ada.freezeUntil(65n, NOW + 20n), row(20n, 1, 4)],
      ["a later hold", 0n, ada.freezeUntil(1n, NOW + 40n), row(20n, 2, 5)],
    ],
  ],
  [
    "goes on to the next instant when what was due is booked",
    [
      ["two lots", 0n, rechargeUntil(10n, 30n), row(30n, 0, 1)],
      ["", 0n, rechargeUntil(10n, 60n), row(30n, 0, 2)],
      ["a hold", 0n, ada.freezeUntil(15n, NOW + 20n), row(20n, 1, 3)],
      ["the hold ends", 20n, ada.recharge(1n), row(30n, 0, 5)],
      ["a lot ends", 30n, ada.consume(1n), row(60n, 0, 7)],
      ["all end", 70n, ada.recharge(1n), row(null, 0, 9)],
    ],
  ],
  [
    "may come though nothing is due any more, and is then set without an entry",
    [
      ["a lot that expires", 0n, rechargeUntil(10n, 30n), row(30n, 0, 1)],
      ["another", 0n, rechargeUntil(10n, 60n), row(30n, 0, 2)],
      ["is spent", 0n, ada.consume(10n), row(30n, 0, 3)],
      ["nothing before", 29n, ada.expire(ada.DUE), row(30n, 0, 3)],
      ["set", 30n, ada.expire(ada.DUE), row(60n, 0, 3)],
      ["spent as well", 31n, ada.consume(10n), row(60n, 0, 4)],
      ["set, though the command is refused", 60n, ada.consume(1n), row(null, 0, 4)],
    ],
  ],
  [
    "comes back with points that come back to a lot",
    [
      ["a lot", 0n, rechargeUntil(10n, 30n), row(30n, 0, 1)],
      ["all of it set aside", 0n, ada.freezeUntil(10n, NOW + 20n), row(20n, 1, 2)],
      ["given back", 10n, ada.release(2n), row(20n, 0, 3)],
      ["the hold's time sets it", 20n, ada.expire(ada.DUE), row(30n, 0, 3)],
      ["spent", 21n, ada.consume(10n), row(30n, 0, 4)],
      ["refunded", 22n, ada.refund(4n), row(30n, 0, 5)],
      ["expires", 30n, ada.open(), row(null, 0, 6)],
    ],
  ],
  [
    "knows lots beyond the account's row that burn last and expire first",
    [
      ...Array.from({ length: 16 }, (_, index): Step => [
        "a lot",
        0n,
        ada.recharge(1n),
        row(null, 0, index + 1),
      ]),
      [
        "a lot that burns last",
        0n,
        ada.recharge(1n, { kind: "at", time: NOW + 80n }, 5),
        row(80n, 0, 17),
      ],
      ["a hold", 0n, ada.freezeUntil(1n, NOW + 20n), row(20n, 1, 18)],
      ["the hold ends", 20n, ada.open(), row(80n, 0, 19)],
      ["the lot ends", 80n, ada.open(), row(null, 0, 20)],
    ],
  ],
  [
    "of an account with many lots knows those that no command reads",
    [
      ...Array.from({ length: 40 }, (_, index): Step => [
        "a lot",
        0n,
        rechargeUntil(1n, BigInt(100 - index)),
        row(BigInt(100 - index), 0, index + 1),
      ]),
      ["a few are spent", 0n, ada.consume(3n), row(61n, 0, 41)],
      ["the clock is set", 61n, ada.open(), row(64n, 0, 41)],
      ["and goes on", 64n, ada.open(), row(65n, 0, 42)],
    ],
  ],
];

test.each(LIVES)("the clock %s", async (title, steps) => {
  const userId = title.replaceAll(" ", "-").slice(0, 60);
  for (const [step, at, command, expected] of steps) {
    await commit(database.orm, [{ ...command, userId }], { clock: stoppedClock(NOW + at) });
    expect(await rowOf(userId), `after: ${step}`).toEqual(expected);
  }
});

test("holds that are open are counted in the row", async () => {
  const userId = "holds";
  const run = (...commands: Command[]) =>
    commit(
      database.orm,
      commands.map((command) => ({ ...command, userId })),
      { clock: stoppedClock(NOW) },
    );
  await run(
    ada.recharge(10n),
    ada.freezeUntil(1n, NOW + 50n),
    ada.freezeUntil(2n, NOW + 50n),
    ada.freezeUntil(3n, NOW + 50n),
  );
  expect(await rowOf(userId)).toEqual(row(50n, 3, 4));
  await run(ada.settle(2n), ada.release(3n), ada.freezeUntil(1n, NOW + 50n), ada.settle(2n));
  expect(await rowOf(userId)).toEqual(row(50n, 2, 7));
});

async function rowOf(userId: string): Promise<Row> {
  const [found] = await database.query(
    `select (extract(epoch from due_time) * 1000000)::bigint as due, open_holds, sequence
     from points.account where user_id = $1`,
    [userId],
  );
  const { due, open_holds: openHolds, sequence } = found as Record<string, string | number | null>;
  return {
    due: due === null ? null : BigInt(due!) - NOW,
    openHolds: Number(openHolds),
    sequence: Number(sequence),
  };
}
