import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { UserError } from "../../src/errors/user-error.ts";
import { batchMoment, databaseNow } from "../../src/store/driver/clock.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import {
  advanceTestClock,
  lengthText,
  makeTestClock,
  readTestClock,
  refuseAdvanced,
  removeTestClock,
} from "../../src/store/driver/test-clock.ts";
import { inSnapshot, inTransaction } from "../../src/store/driver/transaction.ts";
import { readSequences } from "../../src/store/reads/read.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { flawsOfSchema } from "../../src/verify/schema.ts";
import { testDatabase } from "../support/database.ts";

const MONTH = 31n * 86_400_000_000n;

/** A database with the clock, by the sessions of a server with TEST_CLOCK=1 and of one without. */
async function clocked(options: { empty?: boolean } = {}) {
  const database = await testDatabase(options);
  onTestFinished(() => database.close());
  const orm = await openOrm(database.url, 4, { testClock: true });
  onTestFinished(() => orm.close());
  if (options.empty === true) await migrate(orm);
  await makeTestClock(orm.em.fork());
  return { orm, plain: database.orm, database };
}

/** Expects a reading of the clock to be ahead of PostgreSQL's by a length exactly. */
async function expectAhead(plain: Orm, ahead: bigint, read: () => Promise<bigint>) {
  const before = await inSnapshot(plain, databaseNow);
  const now = (await read()) - ahead;
  const after = await inSnapshot(plain, databaseNow);
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(after);
}

test("batches, reads and what is due go by the clock, at once on sessions that are open", async () => {
  const { orm, plain } = await clocked();
  const readings = {
    batch: () => inTransaction(orm, async ({ run }) => (await batchMoment(run)).now),
    read: () => inSnapshot(orm, databaseNow),
    statement: async () => (await readSequences(orm, [])).now,
  };
  for (const read of Object.values(readings)) await expectAhead(plain, 0n, read);
  await advanceTestClock(orm, MONTH);
  for (const read of Object.values(readings)) await expectAhead(plain, MONTH, read);
  await advanceTestClock(plain, 1_000n);
  for (const read of Object.values(readings)) await expectAhead(plain, MONTH + 1_000n, read);
});

test.each(["clock_timestamp", "statement_timestamp", "transaction_timestamp", "now"])(
  "%s() is the clock's in its sessions, and PostgreSQL's in all others",
  async (name) => {
    const { orm, plain } = await clocked();
    await advanceTestClock(orm, MONTH);
    const hoursAhead = async (of: Orm) => {
      const { rows } = await sql<{ hours: number }>`
        select round(extract(epoch from ${sql.raw(name)}() - pg_catalog.clock_timestamp()) / 3600)::int
          as hours`.execute(of.em.fork().getKysely());
      return rows[0]!.hours;
    };
    expect([await hoursAhead(orm), await hoursAhead(plain)]).toEqual([31 * 24, 0]);
  },
);

test("no statement tells the time by a word that no function can stand in for", async () => {
  const words = /\b(current_(timestamp|date|time)|localtime(stamp)?|timeofday)\b/i;
  const files = await readdir("src", { recursive: true });
  const sources = files.filter((file) => file.endsWith(".ts"));
  expect(sources).toContain(join("store", "driver", "clock.ts"));
  for (const file of sources) {
    expect({ file, word: words.exec(await readFile(join("src", file), "utf8"))?.[0] }).toEqual({
      file,
      word: undefined,
    });
  }
});

test("a ledger without the clock has its statements and sessions as ever", async () => {
  const { plain, database } = await clocked();
  expect(await plain.em.fork().execute("show search_path")).toEqual([
    { search_path: '"points", pg_temp' },
  ]);
  await removeTestClock(plain.em.fork());
  expect(await readTestClock(plain.em.fork())).toBeUndefined();
  expect(await advanceTestClock(plain, MONTH)).toBeUndefined();
  expect(
    await database.query("select nspname from pg_namespace where nspname like '%clock%'"),
  ).toEqual([]);
});

test("the migrations make the same schema in its sessions, and verify reads it so", async () => {
  const { orm } = await clocked({ empty: true });
  expect(await inSnapshot(orm, flawsOfSchema)).toEqual([]);
});

test("it is never behind PostgreSQL, and stays as it is when a server makes it again", async () => {
  const { orm } = await clocked();
  await advanceTestClock(orm, MONTH);
  await makeTestClock(orm.em.fork());
  await expect(advanceTestClock(orm, -2n * MONTH)).rejects.toMatchObject({ code: "23514" });
  await Promise.all([1n, 2n, 3n].map((by) => advanceTestClock(orm, by)));
  expect((await readTestClock(orm.em.fork()))!.ahead).toBe(MONTH + 6n);
});

test("it does not pass the year 9998, however far it is set", async () => {
  const { orm } = await clocked();
  const year = 366n * 24n * 3_600_000_000n;
  await advanceTestClock(orm, 7_000n * year);
  const before = (await readTestClock(orm.em.fork()))!.ahead;
  for (const by of [1_500n * year, 10n ** 20n]) {
    await expect(advanceTestClock(orm, by)).rejects.toThrow(UserError);
  }
  expect((await readTestClock(orm.em.fork()))!.ahead).toBe(before);
});

test("once it was set forward, it is neither ignored nor taken away", async () => {
  const { orm, plain } = await clocked();
  await refuseAdvanced(plain.em.fork());
  await advanceTestClock(orm, MONTH + 90_000_000n);
  const says =
    "the clock of this ledger was set forward by 31d 1m 30s, for tests: " +
    "start with TEST_CLOCK=1, or set DATA_DIR to another folder";
  await expect(refuseAdvanced(plain.em.fork())).rejects.toThrow(new UserError(says));
  await expect(removeTestClock(plain.em.fork())).rejects.toThrow(new UserError(says));
  expect((await readTestClock(plain.em.fork()))!.ahead).toBe(MONTH + 90_000_000n);
});

test.each([
  [0n, "0s"],
  [1_000n, "1ms"],
  [MONTH, "31d"],
  [MONTH + 12n * 3_600_000_000n, "31d 12h"],
  [86_399_999_000n, "23h 59m 59s 999ms"],
])("%s microseconds are written as %s", (length, text) => {
  expect(lengthText(length)).toBe(text);
});
