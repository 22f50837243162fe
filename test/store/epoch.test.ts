import { spawnSync } from "node:child_process";
import { cp, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { DatabaseUnavailable } from "../../src/commit/commit.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { inTransaction } from "../../src/store/driver/transaction.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { auditDatabase } from "../support/audit.ts";
import { type Cluster, copyAsStandby, startCluster } from "../support/cluster.ts";
import { commitAll } from "../support/commit-all.ts";
import { named, recharge } from "../support/commands.ts";
import { testDatabase } from "../support/database.ts";
import { withDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/processes.ts";

// An epoch is one life of a PostgreSQL cluster. Its number is in every answer of a mutation.

test("servers that begin at once agree on one epoch", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const servers = await Promise.all([0, 1].map(() => openOrm(database.url, 8)));
  const looks = servers.flatMap((orm) =>
    Array.from({ length: 8 }, () => inTransaction(orm, async ({ epoch }) => epoch)),
  );
  expect(new Set(await Promise.all(looks))).toEqual(new Set([1n]));
  await Promise.all(servers.map((orm) => orm.close()));
  expect(await database.query("select epoch from points.epoch")).toEqual([{ epoch: 1 }]);
});

test("a ledger in a cluster of another identifier, as a dump restores it, has another epoch", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const [before, after] = [await openOrm(database.url, 2), await openOrm(database.url, 2)];
  expect(await epochOfRecharge(before)).toBe(1n);
  await database.query("update points.epoch set system_identifier = 1");
  expect(await epochOfRecharge(after)).toBe(2n);
  // Its connection is that of before.
  expect(await epochOfRecharge(before)).toBe(1n);
  await Promise.all([before.close(), after.close()]);
});

describe("a copy of a cluster", () => {
  test("that is promoted begins an epoch, and on a standby nothing is begun", async () => {
    const { copy } = await copied(copyAsStandby);
    const orm = await openOrm(withDatabase(copy.url, "points"), 2);
    onTestFinished(() => orm.close());
    const [refused] = await commitAll(orm, [recharge(1n)]);
    expect(refused).toBeInstanceOf(DatabaseUnavailable);
    expect(refused).toMatchObject({ outcome: "NOT_APPLIED" });

    await copy.query("select pg_promote()");
    // The connections are those of the standby.
    await expectSecondEpoch(copy, orm);
  });

  test("that is restored to a point in time begins an epoch", async () => {
    const { copy } = await copied(copyToRestore, { restore_command: "false" });
    const orm = await openOrm(withDatabase(copy.url, "points"), 2);
    onTestFinished(() => orm.close());
    await expectSecondEpoch(copy, orm);
  });

  test("that begins as a snapshot of the storage was, begins none", async () => {
    const { copy } = await copied(async (from, to) => {
      await copyAsStandby(from, to);
      await rename(join(to, "postgres", "standby.signal"), join(to, "not-a-standby"));
    });
    const orm = await openOrm(withDatabase(copy.url, "points"), 2);
    onTestFinished(() => orm.close());
    expect(await epochOfRecharge(orm)).toBe(1n);
  });
});

/** A ledger in which Ada was given 5 points, and a running copy of its cluster, which is stopped. */
async function copied(
  make: (from: string, to: string) => Promise<void>,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ copy: Cluster }> {
  const folder = await temporaryFolder();
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  const first = await startCluster(one);
  const orm = await openOrm(withDatabase(first.url, "points"), 2);
  await migrate(orm);
  expect(await epochOfRecharge(orm)).toBe(1n);
  await orm.close();
  await first.stop();
  await make(one, two);
  const copy = await startCluster(two, settings);
  onTestFinished(() => copy.stop());
  return { copy };
}

async function copyToRestore(from: string, to: string): Promise<void> {
  const [old, data] = [join(from, "postgres"), join(to, "postgres")];
  await cp(old, data, { recursive: true });
  await writeFile(join(data, "recovery.signal"), "");
  const { uid, gid } = await stat(old);
  spawnSync("chown", ["-R", `${uid}:${gid}`, data]);
}

/** A repeat is the same answer but for its epoch; what is new is of the second. */
async function expectSecondEpoch(copy: Cluster, orm: Orm): Promise<void> {
  const [repeat] = await commitAll(orm, [GIVEN]);
  expect(repeat).toMatchObject({ replayed: true, epoch: 2n, entry: { sequence: 1n } });
  expect(await epochOfRecharge(orm, recharge(2n))).toBe(2n);
  const entries = await copy.query("select sequence, epoch from points.entry", "points");
  expect(entries).toEqual([
    { sequence: "1", epoch: 1 },
    { sequence: "2", epoch: 2 },
  ]);
  const [last] = await copy.query(
    "select * from points.epoch order by epoch desc limit 1",
    "points",
  );
  expect(last).toMatchObject({ epoch: 2, timeline: 2 });
  expect(await auditDatabase(withDatabase(copy.url, "points"))).toEqual({
    accounts: 1,
    entries: 2,
  });
}

const GIVEN = named(recharge(5n), "given");

async function epochOfRecharge(orm: Orm, command = GIVEN): Promise<bigint> {
  const [result] = await commitAll(orm, [command]);
  if (result === undefined || !("epoch" in result)) throw new Error("it was refused");
  return result.epoch;
}
