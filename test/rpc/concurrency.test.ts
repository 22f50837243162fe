import { toBinary } from "@bufbuild/protobuf";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ConsumeResponse,
  ConsumeResponseSchema,
  type RechargeResponse,
} from "../../gen/points/v1/points_pb.ts";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import { hashEntry } from "../../src/ledger/entry-hash.ts";
import { toEntry } from "../../src/store/batch/entries.ts";
import type { EntryRow } from "../../src/store/driver/entities.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { lockAwaited } from "../support/held-lock.ts";
import { saltOf } from "../support/salts.ts";
import { testServer, type TestServer } from "../support/server.ts";

let database: TestDatabase;
let servers: TestServer[];
beforeAll(async () => {
  database = await testDatabase();
  servers = [await testServer({}, database), await testServer({}, database)];
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  await database.close();
});

describe.each([1, 2])("over %i server(s)", (count) => {
  test("1,000 charges of 1 at once on 600 points: 600 succeed, 400 are refused", async () => {
    const userId = `hot-${count}`;
    for (const points of [100n, 200n, 300n]) await servers[0]!.client.recharge({ userId, points });

    const cost = { case: "points", value: 1n } as const;
    const results = await Promise.allSettled(
      Array.from({ length: 1000 }, (_, n) => clientOf(n, count).consume({ userId, cost })),
    );

    const answers = results.filter((result) => result.status === "fulfilled");
    expect(answers.length).toBe(600);
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      expect(await refusalOf(Promise.reject(result.reason))).toMatchObject({
        code: "FailedPrecondition",
        reason: "INSUFFICIENT_POINTS",
        outcome: "NOT_APPLIED",
        metadata: { balance: "0", usable: "0", required: "1", shortfall: "1" },
      });
    }
    const sequences = answers.map(({ value }) => value.entry!.sequence);
    expect(sequences.toSorted((a, b) => Number(a - b))).toEqual(range(4n, 603n));
    for (const { value } of answers) {
      expect(value.account!.balance).toBe(603n - value.entry!.sequence);
      expect(value.account!.balance).toBe(value.entry!.balanceAfter);
    }

    const { account } = await servers[0]!.client.getOrCreate({ userId });
    expect(account).toMatchObject({ balance: 0n, sequence: 603n, totalConsumed: 600n });
    const entries = await journalOf(userId);
    expect(entries.map(({ sequence }) => sequence)).toEqual(range(1n, 603n));
    expectChained(entries, await saltOf(database, userId));
    // Each lot gave exactly what was recharged into it, the oldest first.
    const consumed = entries.slice(3).map(({ allocations }) => allocations);
    expect(consumed.slice(0, 100).every((list) => list[0]!.lot === 1n)).toBe(true);
    expect(sumByLot(entries.slice(3))).toEqual(
      new Map([
        [1n, 100n],
        [2n, 200n],
        [3n, 300n],
      ]),
    );
    const lots = await database.query(
      "select remaining from points.open_lot where user_id = $1 order by number",
      [userId],
    );
    expect(lots).toEqual([]);
  });

  test("the last points of an account under 64 in flight go to as many as they cover", async () => {
    const userId = `last-${count}`;
    await servers[0]!.client.recharge({ userId, points: 20n });
    const cost = { case: "points", value: 3n } as const;
    const results = await Promise.allSettled(
      Array.from({ length: 64 }, (_, n) => clientOf(n, count).consume({ userId, cost })),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(6);
    const { account } = await servers[0]!.client.getOrCreate({ userId });
    expect(account).toMatchObject({ balance: 2n, totalConsumed: 18n, sequence: 7n });
  });

  test("many more calls than the pool has connections are all answered", async () => {
    const users = Array.from({ length: 100 }, (_, n) => `crowd-${count}-${n}`);
    const cost = { case: "points", value: 1n } as const;
    const usage = { service: "script" };
    await Promise.all(users.map((userId) => servers[0]!.client.recharge({ userId, points: 9n })));
    const answers = await Promise.all(
      users.flatMap((userId, n) => [
        clientOf(n, count).consume({ userId, cost }),
        clientOf(n, count).quote({ userId, usage }),
        clientOf(n, count).listEntries({ userId }),
        clientOf(n, count).listLots({ userId }),
      ]),
    );
    expect(answers).toHaveLength(400);
  });

  test("the same request 100 times at once has one effect and one answer", async () => {
    const userId = `same-${count}`;
    await servers[0]!.client.recharge({ userId, points: 1000n });
    const request = { userId, requestId: "once", metadata: { b: "2", a: "1" } };
    const cost = { case: "points", value: 7n } as const;

    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => clientOf(n, count).consume({ ...request, cost })),
    );

    expect(answers.filter(({ replayed }) => !replayed).length).toBe(1);
    expect(new Set(answers.map(bytesBesideReplayed)).size).toBe(1);
    expect(await journalOf(userId)).toHaveLength(2);
    const { account } = await servers[0]!.client.getOrCreate({ userId });
    expect(account).toMatchObject({ balance: 993n, sequence: 2n });
  });

  test("200 first GetOrCreate at once make one account, and one of them says so", async () => {
    const userId = `new-${count}`;
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => clientOf(n, count).getOrCreate({ userId })),
    );
    expect(answers.filter(({ created }) => created).length).toBe(1);
    expect(new Set(answers.map(({ account }) => account!.createTime!.nanos)).size).toBe(1);
    expect(await accountsOf(userId)).toBe(1);
  });

  test("50 first Recharges at once make one account with all of them", async () => {
    const userId = `first-${count}`;
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        clientOf(n, count).recharge({ userId, points: BigInt(n + 1) }),
      ),
    );
    expectOneAccount(answers, 50);
    expect(await accountsOf(userId)).toBe(1);
    const entries = await journalOf(userId);
    expectChained(entries, await saltOf(database, userId));
    expect(entries.at(-1)!.after.balance).toBe(1275n);
  });

  test("the same first Recharge 50 times at once makes one account with one lot", async () => {
    // Many users, because which server makes the account first is a matter of luck.
    for (let user = 0; user < 20; user += 1) {
      const userId = `same-first-${count}-${user}`;
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          clientOf(n, count).recharge({ userId, requestId: "first", points: 5n }),
        ),
      );
      expect(answers.filter(({ replayed }) => !replayed).length).toBe(1);
      expect(answers.every(({ account }) => account!.balance === 5n)).toBe(true);
      expect(await journalOf(userId)).toHaveLength(1);
    }
  });

  test("commands of all kinds on few accounts at once keep every journal whole", async () => {
    const users = Array.from({ length: 5 }, (_, n) => `mixed-${count}-${n}`);
    const calls = Array.from({ length: 600 }, (_, n): Promise<unknown> => {
      const userId = users[n % users.length]!;
      const client = clientOf(n, count);
      const points = BigInt((n % 17) + 1);
      switch (n % 6) {
        case 0:
        case 1:
          return client.recharge({ userId, points, priority: n % 3 });
        case 2: {
          // It may expire at any moment between the others.
          const value = { seconds: 0n, nanos: ((n % 50) + 1) * 1_000_000 };
          return client.recharge({ userId, points, expiration: { case: "ttl", value } });
        }
        case 3:
          return client.expire({ userId, target: { case: "due", value: true } });
        default:
          return client.consume({ userId, cost: { case: "points", value: points } });
      }
    });
    for (const result of await Promise.allSettled(calls)) {
      if (result.status === "fulfilled") continue;
      const { code } = await refusalOf(Promise.reject(result.reason));
      expect(["FailedPrecondition", "NotFound"]).toContain(code);
    }

    for (const userId of users) {
      const entries = await journalOf(userId);
      expectChained(entries, await saltOf(database, userId));
      const { after } = entries.at(-1)!;
      expect(after.balance + after.totalConsumed + after.totalExpired).toBe(after.totalRecharged);
      const [lots] = await database.query(
        "select coalesce(sum(remaining), 0)::text as remaining from points.open_lot where user_id = $1",
        [userId],
      );
      expect(lots).toEqual({ remaining: String(after.balance) });
    }
  });
});

describe("another server makes the account between two statements of a batch", () => {
  test("a repeat of the request that made it gets its answer", async () => {
    const userId = "raced";
    const request = { userId, requestId: "r1", points: 5n };
    const first = await servers[0]!.client.recharge(request);

    // The rows as another server would commit them, while this one, which has just seen that there
    // is no such account, waits to read the entries.
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    const tables = ["account", "entry"];
    await other.query("begin");
    for (const table of tables) {
      await other.query(
        `create temp table kept_${table} on commit drop as
         select * from points.${table} where user_id = $1`,
        [userId],
      );
      await database.query(`delete from points.${table} where user_id = $1`, [userId]);
    }
    await other.query("lock table points.entry in access exclusive mode");
    const repeat = servers[1]!.client.recharge(request);
    await lockAwaited(database);
    for (const table of tables) {
      await other.query(`insert into points.${table} select * from kept_${table}`);
    }
    await other.query("commit");
    await other.end();

    expect(bytesBesideReplayed(await repeat)).toBe(bytesBesideReplayed(first));
    expect((await repeat).replayed).toBe(true);
    expect(await journalOf(userId)).toHaveLength(1);
  });
});

function clientOf(call: number, count: number) {
  return servers[call % count]!.client;
}

function bytesBesideReplayed(answer: ConsumeResponse | RechargeResponse): string {
  const consumed = { ...answer, $typeName: ConsumeResponseSchema.typeName, replayed: false };
  return Buffer.from(toBinary(ConsumeResponseSchema, consumed)).toString("hex");
}

function expectOneAccount(answers: readonly RechargeResponse[], count: number): void {
  const sequences = answers.map(({ entry }) => entry!.sequence);
  expect(sequences.toSorted((a, b) => Number(a - b))).toEqual(range(1n, BigInt(count)));
  const made = answers.map(({ account }) => account!.createTime!);
  expect(new Set(made.map(({ seconds, nanos }) => `${seconds}.${nanos}`)).size).toBe(1);
}

/** All entries of an account, as the store reads them. */
async function journalOf(userId: string): Promise<Entry[]> {
  await database.query("set timezone = 'UTC'");
  const rows = await database.query(
    `select entry.*, create_time::text as create_time, expire_time::text as expire_time
     from points.entry where user_id = $1 order by sequence`,
    [userId],
  );
  return rows.map((row) => toEntry(row as EntryRow));
}

/** Each entry has the next number and figure, and the hash of its content and the one before. */
function expectChained(entries: readonly Entry[], salt: Uint8Array): void {
  let previous: Uint8Array = GENESIS_HASH;
  let balance = 0n;
  entries.forEach((entry, index) => {
    expect(entry.sequence).toBe(BigInt(index + 1));
    balance += entry.kind === "recharge" ? entry.points : -entry.points;
    expect(entry.after.balance).toBe(balance);
    const allocated = entry.allocations.reduce((sum, { points }) => sum + points, 0n);
    expect(allocated).toBe(entry.points);
    const hash = hashEntry(previous, entry, salt);
    expect(Buffer.from(entry.hash).toString("hex")).toBe(Buffer.from(hash).toString("hex"));
    previous = hash;
  });
}

function sumByLot(entries: readonly Entry[]): Map<bigint, bigint> {
  const sums = new Map<bigint, bigint>();
  for (const { lot, points } of entries.flatMap(({ allocations }) => allocations)) {
    sums.set(lot, (sums.get(lot) ?? 0n) + points);
  }
  return sums;
}

async function accountsOf(userId: string): Promise<number> {
  const rows = await database.query("select 1 from points.account where user_id = $1", [userId]);
  return rows.length;
}

function range(from: bigint, to: bigint): bigint[] {
  return Array.from({ length: Number(to - from) + 1 }, (_, index) => from + BigInt(index));
}
