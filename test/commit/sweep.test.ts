import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { pino } from "pino";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createBatcher } from "../../src/commit/batcher.ts";
import { commit, type Result } from "../../src/commit/commit.ts";
import type { Submit } from "../../src/commit/group-commit.ts";
import { laneNumber } from "../../src/commit/lanes.ts";
import { startSweeper, sweep } from "../../src/commit/sweep.ts";
import type { Command, Expiration } from "../../src/ledger/command.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import { auditDatabase } from "../support/audit.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/processes.ts";

const SECOND = 1_000_000n;
const SILENT = pino({ level: "silent" });

// More than two chunks of a sweep; every third has two due lots, every second one that is not due.
const DUE = Array.from({ length: 1_200 }, (_, index) => `due-${index}`);
const BOOKED = DUE.reduce((sum, userId, index) => sum + Number(bookedOf(userId, index).entries), 0);
const LATER = Array.from({ length: 50 }, (_, index) => `later-${index}`);
const NEVER = Array.from({ length: 50 }, (_, index) => `never-${index}`);

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  return () => database.close();
});

describe("a sweep", () => {
  test("books every due lot and nothing else", async () => {
    await recharge(everybody());
    await pastTheirTime();
    expect(await sweep(database.orm, submitter())).toBe(DUE.length);
    expect(await expiryEntries()).toEqual(DUE.map(bookedOf).toSorted(byUser));
    expect(await dueLots()).toBe(0);

    expect(await sweep(database.orm, submitter())).toBe(0);
    expect(await auditDatabase(database.url)).toEqual({
      accounts: DUE.length + LATER.length + NEVER.length,
      entries: everybody().length + BOOKED,
    });
  });

  test("leaves out accounts that are locked, and books them the next time", async () => {
    await recharge(everybody());
    await pastTheirTime();
    const locked = DUE.filter((_, index) => index % 100 === 7);
    const other = await connection();
    await other.query("begin");
    await other.query("select from points.account where user_id = any($1) for update", [locked]);

    // The lock is held until the sweep is over: had it waited, it would never be.
    expect(await sweep(database.orm, submitter())).toBe(DUE.length - locked.length);
    await other.query("rollback");
    const isBooked = ({ user_id }: ExpiryEntry) => locked.includes(user_id);
    expect((await expiryEntries()).filter(isBooked)).toEqual([]);

    expect(await sweep(database.orm, submitter())).toBe(locked.length);
    expect(await expiryEntries()).toEqual(DUE.map(bookedOf).toSorted(byUser));
    await auditDatabase(database.url);
  });

  test("beside another sweep books nothing twice and leaves nothing out", async () => {
    await recharge(everybody());
    await pastTheirTime();
    const booked = await Promise.all([
      sweep(database.orm, submitter()),
      sweep(database.orm, submitter()),
    ]);
    expect(booked[0] + booked[1]).toBe(DUE.length);
    expect(await expiryEntries()).toEqual(DUE.map(bookedOf).toSorted(byUser));
    await auditDatabase(database.url);
  });

  test("lets the traffic on other accounts go on", async () => {
    await recharge(everybody());
    await recharge([rechargeOf("busy", 1_000_000n, { kind: "never" })]);
    await pastTheirTime();
    const submit = submitter();
    let isOver = false;
    const swept = sweep(database.orm, submit).finally(() => (isOver = true));
    let consumed = 0n;
    while (!isOver) {
      const [result] = await submit([consumeOf("busy", 1n)]);
      if (result instanceof Error || isRejection(result!)) throw new Error(JSON.stringify(result));
      consumed += 1n;
    }
    expect(await swept).toBe(DUE.length);
    expect(consumed).toBeGreaterThan(2n);
    const [busy] = await database.query("select * from points.account where user_id = 'busy'");
    expect(busy).toMatchObject({ balance: String(1_000_000n - consumed), total_expired: "0" });
    await auditDatabase(database.url);
  });

  test("ends after the chunk under way when it is told to", async () => {
    await recharge(everybody());
    await pastTheirTime();
    const stopping = new AbortController();
    const submit = submitter();
    const first: Submit = (commands) => {
      stopping.abort();
      return submit(commands);
    };
    const booked = await sweep(database.orm, first, stopping.signal);
    expect(booked).toBeGreaterThan(0);
    expect(booked).toBeLessThan(DUE.length);
    expect(await expiryEntries()).toHaveLength(booked);
    await auditDatabase(database.url);
  });

  test("throws what a command came to if that is an error", async () => {
    await recharge([rechargeOf("ada", 5n, after(1n))]);
    await sleep(5);
    const failure = new Error("the database is away");
    await expect(sweep(database.orm, async () => [failure])).rejects.toBe(failure);
  });
});

describe("the sweeper", () => {
  test("sweeps at once, and then every so often", async () => {
    await recharge([rechargeOf("ada", 5n, after(1n))]);
    await sleep(5);
    const sweeper = startSweeper(database.orm, submitter(), 1, SILENT);
    onTestFinished(() => sweeper.stop());
    await until("the first sweep is over", async () => (await expiryEntries()).length === 1);

    await recharge([rechargeOf("bob", 5n, after(1n))]);
    await until("the second sweep is over", async () => (await expiryEntries()).length === 2);
    await recharge([rechargeOf("cleo", 5n, after(1n))]);
    await until("the third sweep is over", async () => (await expiryEntries()).length === 3);
  });

  test("sweeps again after a sweep that failed", async () => {
    await recharge([rechargeOf("ada", 5n, after(1n))]);
    await sleep(5);
    const submit = submitter();
    let calls = 0;
    const failsFirst: Submit = async (commands) => {
      calls += 1;
      if (calls === 1) throw new Error("the queue is full");
      return submit(commands);
    };
    const sweeper = startSweeper(database.orm, failsFirst, 1, SILENT);
    onTestFinished(() => sweeper.stop());
    await until("a sweep succeeded", async () => (await expiryEntries()).length === 1);
    expect(calls).toBe(2);
  });

  test("waits for the sweep under way when it is stopped, and does not begin another", async () => {
    await recharge([rechargeOf("ada", 5n, after(1n))]);
    await sleep(5);
    const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
    const submit = submitter();
    let calls = 0;
    const slow: Submit = async (commands) => {
      calls += 1;
      await mayGoOn;
      return submit(commands);
    };
    const sweeper = startSweeper(database.orm, slow, 1, SILENT);
    await until("a sweep is under way", () => calls === 1);
    let isStopped = false;
    const stopped = sweeper.stop().then(() => (isStopped = true));
    await sleep(50);
    expect(isStopped).toBe(false);
    goOn();
    await stopped;
    expect(await expiryEntries()).toHaveLength(1);

    await recharge([rechargeOf("bob", 5n, after(1n))]);
    await sleep(1_200);
    expect(calls).toBe(1);
  });

  test("does not wait for its time when it is stopped between two sweeps", async () => {
    await recharge([rechargeOf("ada", 5n, after(1n))]);
    await sleep(5);
    const sweeper = startSweeper(database.orm, submitter(), 86_400, SILENT);
    await until("the first sweep is over", async () => (await expiryEntries()).length === 1);
    await sweeper.stop();
  });
});

type ExpiryEntry = { user_id: string; entries: string; points: string };

/** What is wanted of a due account: an entry for each instant, and all its due points in them. */
function bookedOf(userId: string, index: number): ExpiryEntry {
  const hasTwo = index % 3 === 0;
  const entries = hasTwo && index > 0 ? "2" : "1";
  return { user_id: userId, entries, points: hasTwo ? "12" : "5" };
}

/** The expiry entries, by user. */
async function expiryEntries(): Promise<ExpiryEntry[]> {
  return (await database.query(
    `select user_id, count(*) as entries, sum(points) as points from points.journal
     where kind = 'expire' group by user_id order by user_id`,
  )) as ExpiryEntry[];
}

async function dueLots(): Promise<number> {
  const [row] = await database.query(
    "select count(*)::int as due from points.open_lot where remaining > 0 and expire_time <= now()",
  );
  return row?.["due"] as number;
}

/** Waits until the database's clock is past each lot's time that is near. */
async function pastTheirTime(): Promise<void> {
  await until("all that falls due soon is due", async () => {
    const rows = await database.query(
      `select from points.open_lot
       where expire_time between clock_timestamp() and clock_timestamp() + interval '1 minute'`,
    );
    return rows.length === 0;
  });
}

function everybody(): Command[] {
  return [
    ...DUE.flatMap((userId, index) => [
      rechargeOf(userId, 5n, after(SECOND)),
      ...(index % 3 === 0 ? [rechargeOf(userId, 7n, after(SECOND + BigInt(index)))] : []),
      ...(index % 2 === 0 ? [rechargeOf(userId, 9n, { kind: "never" })] : []),
    ]),
    ...LATER.map((userId) => rechargeOf(userId, 5n, after(3_600n * SECOND))),
    ...NEVER.map((userId) => rechargeOf(userId, 5n, { kind: "never" })),
  ];
}

/** All in one transaction, and so at one instant. */
async function recharge(commands: readonly Command[]): Promise<void> {
  for (const result of await commitAll(database.orm, commands)) {
    if (result instanceof Error) throw result;
    if (isRejection(result)) throw new Error(result.reason);
  }
}

/** As the server has it. */
function submitter(): Submit {
  return createBatcher<Command, Result>({
    lanes: 2,
    ownerOf: ({ userId }) => laneNumber(userId),
    run: (commands) => commit(database.orm, commands),
    batchMaxOps: 200,
    queueMaxOps: 10_000,
  }).submit;
}

async function connection(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

function rechargeOf(userId: string, points: bigint, expiration: Expiration): Command {
  const lot = { points, expiration, priority: 0, category: "", services: [] };
  return { kind: "recharge", userId, ...lot, ...UNNAMED };
}

function consumeOf(userId: string, points: bigint): Command {
  return {
    kind: "consume",
    userId,
    cost: { points, usage: null },
    onShortfall: "refuse",
    member: "",
    ...UNNAMED,
  };
}

function after(ttl: bigint): Expiration {
  return { kind: "after", ttl };
}

function byUser(a: ExpiryEntry, b: ExpiryEntry): number {
  return a.user_id < b.user_id ? -1 : 1;
}

const UNNAMED = { request: undefined, metadata: new Map<string, string>(), caller: "", actor: "" };
