import { expect, onTestFinished, test } from "vitest";
import { durabilityGaps } from "../../src/store/driver/durability.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

const OFF = { what: "synchronous_commit = off", mend: "set synchronous_commit to on" };

test("a database or a role whose commits don't wait is seen, where the setting counts", async () => {
  const { added, alter } = await measured();
  expect(await added()).toEqual([]);
  await alter("database %2$I set synchronous_commit = off");
  expect(await added()).toEqual([OFF]);
  // A setting of the role in this database takes precedence.
  await alter("role %1$I in database %2$I set synchronous_commit = remote_apply");
  expect(await added()).toEqual([]);
  await alter("role %1$I in database %2$I set synchronous_commit = false");
  expect(await added()).toEqual([OFF]);
  await alter("database %2$I reset synchronous_commit");
  expect(await added()).toEqual([OFF]);
  await alter("role %1$I in database %2$I reset synchronous_commit");
  expect(await added()).toEqual([]);
});

test("a session that began when commits did not wait is seen when they do again", async () => {
  const { database, alter, before } = await measured();
  await alter("database %2$I set synchronous_commit = off");
  const orm = await openOrm(database.url, 2);
  onTestFinished(() => orm.close());
  expect(await durabilityGaps(orm.em.fork())).toContainEqual(OFF);
  await alter("database %2$I reset synchronous_commit");
  expect(await durabilityGaps(orm.em.fork())).toContainEqual(OFF);
  expect(await durabilityGaps(database.orm.em.fork())).toEqual(before);
});

test("commits that wait for this machine alone are enough where there is no standby", async () => {
  const { added, alter } = await measured();
  await alter("database %2$I set synchronous_commit = local");
  expect(await added()).toEqual([]);
});

test("a table that a crash empties is seen", async () => {
  const { database, added } = await measured();
  await database.query("alter table points.receipt set unlogged");
  expect(await added()).toEqual([
    { what: "points.receipt unlogged", mend: "alter table points.receipt set logged" },
  ]);
  await database.query("alter table points.receipt set logged");
  expect(await added()).toEqual([]);
});

/** A database, and its gaps besides those that the tests' PostgreSQL has as a whole. */
async function measured() {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const gaps = () => durabilityGaps(database.orm.em.fork());
  const before = await gaps();
  const isOld = ({ what }: { what: string }) => before.some((gap) => gap.what === what);
  return {
    database,
    before,
    added: async () => (await gaps()).filter((gap) => !isOld(gap)),
    alter: (what: string) => alterSettings(database, what),
  };
}

/** "alter" and so on, with the names of the role and the database where it has %1$I and %2$I. */
async function alterSettings({ query }: TestDatabase, what: string): Promise<void> {
  await query(`do $$ begin
    execute format('alter ${what}', current_user, current_database());
  end $$`);
}
