import { afterAll, beforeAll, expect, test } from "vitest";
import { LATER } from "../../src/commit/batcher.ts";
import { commit, CommandFailed } from "../../src/commit/commit.ts";
import type { Command } from "../../src/ledger/command.ts";
import { readAccounts } from "../../src/store/reads/read.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

// Accounts with thousands of lots, and accounts that are ahead of a clock that was set back.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const at = (micros: bigint) => ({ clock: stoppedClock(NOW + micros) });
const until = (time: bigint) => ({ kind: "at", time }) as const;

test("of crowded accounts some have their turn, and none is decided without its lots", async () => {
  const users = ["crowded-1", "crowded-2", "crowded-3"];
  for (const userId of users) await lotsOf(userId, 3_000);
  const charges = users.flatMap((userId) => [of(userId, ada.consume(20n)), of(userId, ada.open())]);
  const small = of("small", ada.recharge(1n));
  const results = await commit(database.orm, [...charges, small], at(0n));
  const [first, later] = [{ account: { balance: 2_980n } }, LATER];
  expect(results).toMatchObject([first, first, first, first, later, later, { created: true }]);
  expect(await commitAll(database.orm, [charges[4]!], at(0n))).toMatchObject([first]);
  await auditDatabase(database.url);
});

test("thousands of lots that are due at one instant are booked as if they were one batch's", async () => {
  const userId = "due";
  await lotsOf(userId, 1_700, NOW + 10n);
  await lotsOf(userId, 300, NOW + 20n);
  const expired = async () =>
    database.query(
      "select create_time, points from points.journal where user_id = $1 and kind = 'expire' order by sequence",
      [userId],
    );
  const results = await commit(database.orm, [of(userId, ada.open())], at(30n));
  expect(results).toEqual([LATER]);
  expect(await expired()).toMatchObject([{ points: "500" }]);
  await commitAll(database.orm, [of(userId, ada.open())], at(30n));
  const points = (await expired()).map((one) => one["points"]);
  expect(points).toEqual(["500", "500", "500", "200", "300"]);
  await auditDatabase(database.url);
});

test("lots that expired under a hold are booked at its end by number, whatever their times", async () => {
  const userId = "held";
  // The lots with the lowest numbers burn first, and expire last.
  const times = Array.from({ length: 1_200 }, (_, index) => NOW + 2_000n - BigInt(index));
  const recharges = times.map((time, index) =>
    of(userId, ada.recharge(1n, until(time), Math.floor(index / 2))),
  );
  for (let begin = 0; begin < times.length; begin += 500) {
    await commit(database.orm, recharges.slice(begin, begin + 500), at(0n));
  }
  await commit(database.orm, [of(userId, ada.freezeUntil(1_200n, NOW + 3_000n))], at(0n));
  for (let batch = 0; batch < 3; batch += 1) {
    expect(await commit(database.orm, [of(userId, ada.open())], at(4_000n))).toEqual([LATER]);
    await auditDatabase(database.url);
  }
  await commitAll(database.orm, [of(userId, ada.open())], at(4_000n));
  const rows = await database.query(
    `select part ->> 'lot' as lot from points.journal, jsonb_array_elements(allocations) as part
    where user_id = $1 and kind = 'expire' order by sequence, (part ->> 'lot')::int`,
    [userId],
  );
  expect(rows.map(({ lot }) => Number(lot))).toEqual(times.map((_, index) => index + 1));
});

test("an account's clock is right though two accounts are ahead of the database's", async () => {
  const userId = "ahead";
  const holds = (count: number, time: bigint) =>
    commitAll(
      database.orm,
      Array.from({ length: count }, () => of(userId, ada.freezeUntil(1n, NOW + time))),
      at(0n),
    );
  await commit(database.orm, [of(userId, ada.recharge(9_000n))], at(0n));
  await holds(1_000, 10n);
  await holds(600, 15n);
  await commit(database.orm, [of("further-ahead", ada.recharge(1n))], at(20n));
  expect(await commit(database.orm, [of(userId, ada.open())], at(10n))).toEqual([LATER]);
  const both = [of(userId, ada.open()), of("further-ahead", ada.open())];
  await commit(database.orm, both, at(5n));
  // Half of the holds are still open, and the first of them ends at +10 or +15.
  const [row] = await database.query(
    `select open_holds, due_time <= (select min(expire_time) from points.hold
      where hold.user_id = account.user_id and status = 'open') as in_time
    from points.account where user_id = $1`,
    [userId],
  );
  expect(row).toEqual({ open_holds: 600, in_time: true });
  const [result] = await commitAll(database.orm, [of(userId, ada.consume(9_000n))], at(16n));
  expect(result).toMatchObject({ account: { balance: 0n, frozen: 0n } });
  await auditDatabase(database.url);
});

test("a read says what a command would, though accounts are ahead of the clock", async () => {
  // Reads go by the database's own clock: these accounts are an hour and two ahead of it.
  const [{ micros } = {}] = await database.query(
    "select (extract(epoch from clock_timestamp()) * 1000000)::bigint as micros",
  );
  const soon = BigInt(String(micros)) + 3_600_000_000n;
  const userId = "read";
  await lotsOf(userId, 1_200, soon);
  await commit(database.orm, [of(userId, ada.recharge(7n))]);
  await commit(database.orm, [of(userId, ada.freezeUntil(3n, soon + 1n))]);
  const [partly] = await commit(database.orm, [of(userId, ada.open())], {
    clock: stoppedClock(soon),
  });
  expect(partly).toBe(LATER);
  const further = of("read-too", ada.recharge(1n));
  await commit(database.orm, [further], { clock: stoppedClock(soon + 9n) });
  const read = await readAccounts(database.orm, [userId, "read-too"]);
  // The hold ends a microsecond after the account's time, though before the other account's.
  const byUser = read.toSorted((a, b) => (a.account.userId < b.account.userId ? -1 : 1));
  expect(byUser).toMatchObject([
    { account: { balance: 7n, frozen: 3n }, nextDue: soon + 1n },
    { account: { balance: 1n }, nextDue: null },
  ]);
  const [said] = await commitAll(database.orm, [of(userId, ada.open())]);
  expect(said).toMatchObject({ account: { balance: 7n, frozen: 3n } });
  await auditDatabase(database.url);
});

test("a charge fills the row again, though the lots that burn first are frozen", async () => {
  const userId = "frozen";
  await lotsOf(userId, 200);
  await commit(database.orm, [of(userId, ada.freezeUntil(100n, NOW + 9_000n))], at(0n));
  for (const points of [20n, 1n, 1n]) {
    await commit(database.orm, [of(userId, ada.consume(points))], at(0n));
  }
  const [row] = await database.query(
    `select count(*)::int as spendable from points.open_lot
    where user_id = $1 and in_row and remaining > 0`,
    [userId],
  );
  expect(row).toEqual({ spendable: 15 });
});

test("a lot that the table has with other points is noticed before anything is built on it", async () => {
  const userId = "tampered";
  await lotsOf(userId, 20, undefined, 5n);
  await database.query("update points.lot set remaining = 1 where user_id = $1 and number = 17", [
    userId,
  ]);
  const [result] = await commit(database.orm, [of(userId, ada.consume(85n))], at(0n));
  expect(result).toBeInstanceOf(CommandFailed);
  expect(String((result as CommandFailed).cause)).toContain("breaks an invariant");
});

async function lotsOf(userId: string, count: number, time?: bigint, points = 1n): Promise<void> {
  const expiration = time === undefined ? ({ kind: "never" } as const) : until(time);
  const recharges = Array.from({ length: count }, () =>
    of(userId, ada.recharge(points, expiration)),
  );
  for (let begin = 0; begin < count; begin += 500) {
    await commit(database.orm, recharges.slice(begin, begin + 500), at(0n));
  }
}

function of(userId: string, command: Command): Command {
  return { ...command, userId };
}
