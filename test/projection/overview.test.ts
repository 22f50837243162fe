import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { erase } from "../../src/commit/erase.ts";
import { type OverviewOptions, scanIfDue, startOverview } from "../../src/projection/overview.ts";
import { leaseScan, renewLease, saveOverview } from "../../src/store/projection/overview.ts";
import type { Overview } from "../../src/store/reads/overview-text.ts";
import { readHeldSums, readOverview } from "../../src/store/reads/overview.ts";
import { recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/processes.ts";
import { snapshotsAt } from "../support/scan-at.ts";

const SILENT = pino({ level: "silent" });
const NEVER = new AbortController().signal;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.query("truncate points.account, points.entry, points.lot, points.receipt");
  await database.query("delete from points.overview");
  await database.query("insert into points.overview values (1)");
});

describe("a scan", () => {
  test("is due when there was none, and then once an hour", async () => {
    await rechargeAll("ada", "bea");
    expect(await readOverview(database.orm)).toBeUndefined();
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
    expect(await readOverview(database.orm)).toMatchObject({ sums: { accounts: 2n } });

    await rechargeAll("cleo");
    await age("30 minutes");
    expect(await scanIfDue(options(), NEVER)).toBeUndefined();
    await age("30 minutes");
    expect((await readHeldSums(database.orm))!.ageSeconds).toBeGreaterThanOrEqual(3_600);
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
    const { sums, ageSeconds } = (await readHeldSums(database.orm))!;
    expect(sums).toMatchObject({ accounts: 3n, balance: 30n });
    expect(ageSeconds).toBeLessThan(3_600);
    await age("-1 hours");
    expect((await readHeldSums(database.orm))!.ageSeconds).toBeNaN();
  });

  test("is due again while the last one found no account", async () => {
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
    await rechargeAll("ada");
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
    expect(await readOverview(database.orm)).toMatchObject({ sums: { accounts: 1n } });
    expect(await scanIfDue(options(), NEVER)).toBeUndefined();
  });

  test("is due after the clock was set back, whatever the row says", async () => {
    await rechargeAll("ada");
    await scanIfDue(options(), NEVER);
    await age("-2 hours");
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
    expect(await scanIfDue(options(), NEVER)).toBeUndefined();
    await age("1 hour");
    await leaseScan(database.orm);
    await endLease("-2 hours");
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
  });

  test("is one server's alone, of several that look at once", async () => {
    await rechargeAll("ada");
    const all = await Promise.all([1, 2, 3, 4].map(() => scanIfDue(options(), NEVER)));
    expect(all.filter((found) => found !== undefined)).toHaveLength(1);
  });

  test("of a server that stops is left to others at once", async () => {
    await rechargeAll("ada", "bea", "cleo");
    const stopping = new AbortController();
    const clock = async () => {
      // The second page.
      if ((calls += 1) === 3) stopping.abort();
      return 0n;
    };
    let calls = 0;
    const scanning = { maxAccounts: 1, pauses: 0 };
    const read = snapshotsAt(database.orm, clock);
    expect(await scanIfDue({ ...options(), read, scanning }, stopping.signal)).toBeUndefined();
    expect(calls).toBe(3);
    expect(await readOverview(database.orm)).toBeUndefined();
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
  });

  test("that fails is left to others at once", async () => {
    const read = () => Promise.reject(new Error("the database is away"));
    await expect(scanIfDue({ ...options(), read }, NEVER)).rejects.toThrow("is away");
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
  });

  test("of a server that was killed is left to others when its lease ends", async () => {
    await rechargeAll("ada");
    const lease = await leaseScan(database.orm);
    expect(lease).toBeDefined();
    expect(await scanIfDue(options(), NEVER)).toBeUndefined();
    await endLease("2 minutes");
    expect(await scanIfDue(options(), NEVER)).toBeDefined();
  });

  test("of a server that was frozen writes nothing once another has begun", async () => {
    await rechargeAll("ada");
    const old = (await leaseScan(database.orm))!;
    await endLease("2 minutes");
    const lease = (await leaseScan(database.orm))!;
    expect(await renewLease(database.orm, old)).toBeUndefined();
    expect(await saveOverview(database.orm, old, foundOf("ada"))).toBe(false);
    expect(await readOverview(database.orm)).toBeUndefined();
    const renewed = (await renewLease(database.orm, lease))!;
    expect(renewed).toBeGreaterThan(lease);
    expect(await saveOverview(database.orm, lease, foundOf("ada"))).toBe(false);
    expect(await saveOverview(database.orm, renewed, foundOf("ada"))).toBe(true);
    expect(await readOverview(database.orm)).toEqual(foundOf("ada"));
  });
});

describe("the name of a user who is erased", () => {
  test("goes from the last scan", async () => {
    await rechargeAll("ada", "bea", "cleo");
    await scanIfDue(options(), NEVER);
    await erase(database.orm, "bea");
    expect(await named()).toEqual(["ada", "cleo"]);
    await erase(database.orm, "ada");
    await erase(database.orm, "cleo");
    expect(await named()).toEqual([]);
  });

  test("does not come back by a scan that read the account before", async () => {
    await rechargeAll("ada", "bea");
    const lease = (await leaseScan(database.orm))!;
    await erase(database.orm, "bea");
    expect(await saveOverview(database.orm, lease, foundOf("bea", "ada"))).toBe(true);
    expect(await named()).toEqual(["ada"]);
  });
});

describe("a server", () => {
  test("scans at once, and goes on after a scan that failed", async () => {
    await rechargeAll("ada");
    let isAway = true;
    const clock = async () => {
      if (isAway) throw new Error("the database is away");
      return 5n;
    };
    const warnings: unknown[] = [];
    const log = pino({ level: "warn" }, { write: (line) => void warnings.push(line) });
    const read = snapshotsAt(database.orm, clock);
    const looking = { ...options(), log, lookSeconds: 0.05, read, scanning: { pauses: 0 } };
    const scanning = startOverview(looking);
    onTestFinished(() => scanning.stop());
    await until("a scan has failed", () => warnings.length > 0);
    isAway = false;
    const isThere = async () => (await readOverview(database.orm)) !== undefined;
    await until("another has succeeded", isThere);
  });

  test("that stops waits for the page under way, and scans no more", async () => {
    await rechargeAll("ada", "bea", "cleo");
    let calls = 0;
    const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
    const clock = async () => {
      calls += 1;
      // The first page.
      if (calls === 2) await mayGoOn;
      return 5n;
    };
    const read = snapshotsAt(database.orm, clock);
    const looking = { ...options(), read, scanning: { maxAccounts: 1, pauses: 0 } };
    const scanning = startOverview(looking);
    await until("it is at the first page", () => calls === 2);
    const stopped = scanning.stop();
    goOn();
    await stopped;
    expect(calls).toBe(2);
    expect(await readOverview(database.orm)).toBeUndefined();
    expect(await leaseScan(database.orm)).toBeDefined();
  });
});

function options(): OverviewOptions {
  return { orm: database.orm, read: snapshotsAt(database.orm), log: SILENT };
}

async function rechargeAll(...users: readonly string[]): Promise<void> {
  await commitAll(
    database.orm,
    users.map((userId) => ({ ...recharge(10n), userId })),
  );
}

/** Makes the last scan so much older. */
async function age(by: string): Promise<void> {
  await database.query(`update points.overview set as_of = as_of - interval '${by}'`);
}

/** Makes the lease end so much earlier. */
async function endLease(by: string): Promise<void> {
  await database.query(`update points.overview set leased_until = leased_until - interval '${by}'`);
}

async function named(): Promise<string[]> {
  return (await readOverview(database.orm))!.largest.map(({ userId }) => userId);
}

function foundOf(...users: readonly string[]): Overview {
  const sums = { accounts: 1n, balance: 2n ** 80n, frozen: 3n, debt: 4n };
  const expiring = Array.from({ length: 53 }, (_, week) => BigInt(week));
  return {
    asOf: 1_000_000n,
    endTime: 2_000_001n,
    sums: { ...sums, expiring, expiringLater: 5n, neverExpiring: 6n },
    largest: users.map((userId) => ({ userId, balance: 10n, frozen: 1n, debt: 0n })),
  };
}
