import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GetAccountRequestSchema } from "../../gen/points/v1/points_pb.ts";
import type { Command } from "../../src/ledger/command.ts";
import { getAccount } from "../../src/rpc/get-account.ts";
import { toTimestamp } from "../../src/rpc/timestamps.ts";
import { freeze, recharge, settle } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { Model } from "../support/model.ts";
import { LONG_MS } from "../support/patience.ts";
import { randomSteps } from "../support/random-commands.ts";
import { microsOf, points, ttl } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await testServer();
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

describe("the account at an instant", () => {
  test(
    "is what the naive model says, at 1,000 random instants",
    async () => {
      let runs = 0;
      let compared = 0;
      const story = fc.tuple(
        randomSteps(30, 20),
        fc.array(fc.bigInt({ min: 0n, max: 300n }), { minLength: 40, maxLength: 40 }),
      );
      await fc.assert(
        fc.asyncProperty(story, async ([steps, instants]) => {
          runs += 1;
          const inRun = (userId: string) => `${userId}-${runs}`;
          const model = new Model();
          const times = [{ now: 0n, model: model.copy() }];
          let now = 1n;
          for (const { laterBy, commands } of steps) {
            now += laterBy;
            const ofRun = commands.map((command): Command => {
              return model.aim({ ...command, userId: inRun(command.userId) });
            });
            await commitAll(database.orm, ofRun, { clock: stoppedClock(now) });
            for (const command of ofRun) model.run(command, now);
            times.push({ now, model: model.copy() });
          }
          for (const instant of instants) {
            const then = times.findLast((one) => one.now <= instant)!.model;
            const userId = inRun(instant % 2n === 0n ? "ada" : "bob");
            expect(await shownAt(userId, instant)).toEqual(then.shown(userId, instant));
            compared += 1;
          }
        }),
        { numRuns: 30 },
      );
      expect(compared).toBeGreaterThanOrEqual(1_000);
    },
    LONG_MS,
  );

  test("counts what is due by then, and nothing that is due later", async () => {
    const userId = "due";
    const of = (command: Command): Command => ({ ...command, userId });
    const ttl100 = { kind: "after", ttl: 100n } as const;
    // Ten points that expire at 101, of which a hold has four until 51.
    await run(1n, [of(recharge(10n, ttl100)), of(freeze(4n, 50n))]);
    const next = { time: 101n, points: 6n };
    expect(await shownAt(userId, 50n)).toMatchObject({ balance: 6n, frozen: 4n, next });
    const whole = { time: 101n, points: 10n };
    expect(await shownAt(userId, 51n)).toMatchObject({ balance: 10n, frozen: 0n, next: whole });
    expect(await shownAt(userId, 100n)).toMatchObject({ balance: 10n, totalExpired: 0n });
    const over = { balance: 0n, totalExpired: 10n, next: undefined };
    expect(await shownAt(userId, 101n)).toMatchObject(over);
    // It stays so when it is booked, and when the account goes on.
    await run(300n, [of(recharge(1n))]);
    expect(await shownAt(userId, 50n)).toMatchObject({ balance: 6n, frozen: 4n, next });
    expect(await shownAt(userId, 51n)).toMatchObject({ balance: 10n, frozen: 0n, next: whole });
    expect(await shownAt(userId, 101n)).toMatchObject(over);
  });

  test("of several entries of one instant has all", async () => {
    const userId = "together";
    const of = (command: Command): Command => ({ ...command, userId });
    await run(5n, [of(recharge(10n)), of(freeze(4n)), of(settle(2n, 3n))]);
    await run(6n, [of(recharge(1n))]);
    expect(await shownAt(userId, 4n)).toBeUndefined();
    expect(await shownAt(userId, 5n)).toMatchObject({ balance: 7n, totalConsumed: 3n });
  });

  test("knows the next expiry among more lots than the row holds", async () => {
    const userId = "many-lots";
    const lots = Array.from({ length: 40 }, (_, n): Command => {
      return { ...recharge(1n, { kind: "after", ttl: 1_000n - BigInt(n) }, n % 2), userId };
    });
    await run(1n, lots);
    expect(await shownAt(userId, 1n)).toMatchObject({ next: { time: 962n, points: 1n } });
    expect(await shownAt(userId, 980n)).toMatchObject({ next: { time: 981n, points: 1n } });
  });
});

describe("GetAccount", () => {
  test("makes no account", async () => {
    for (const _ of [1, 2]) {
      const call = server.client.getAccount({ userId: "nobody" });
      expect(await refusalOf(call)).toMatchObject({
        code: "NotFound",
        reason: "ACCOUNT_NOT_FOUND",
        metadata: { user_id: "nobody" },
      });
    }
  });

  test("shows the account as GetOrCreate does, and what expires next", async () => {
    const userId = "shown";
    await server.client.recharge({ userId, points: 5n });
    const { entry } = await server.client.recharge({ userId, points: 7n, expiration: ttl(60_000) });
    const { account } = await server.client.getOrCreate({ userId });
    const shown = (await server.client.getAccount({ userId })).account!;
    const { nextExpiration, ...rest } = shown;
    expect(nextExpiration).toMatchObject({ time: entry!.expireTime, points: 7n });
    expect(rest).toEqual(account);
  });

  test("refuses an instant of the future, and one before the account was made", async () => {
    const userId = "when";
    await server.client.recharge({ userId, points: 5n });
    const made = (await server.client.getAccount({ userId })).account!.createTime!;
    const at = (micros: bigint) =>
      server.client.getAccount({ userId, asOf: toTimestamp(microsOf(made) + micros) });
    expect((await at(0n)).account).toMatchObject({ balance: 5n });
    expect(await refusalOf(at(-1n))).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
    const future = await refusalOf(at(3_600_000_000n));
    expect(future).toMatchObject({ reason: "FIELD_INVALID", fields: ["as_of"] });
    // What is wrong with the request comes first.
    const nobody = server.client.getAccount({
      userId: "nobody",
      asOf: { seconds: 99_999_999_999n },
    });
    expect(await refusalOf(nobody)).toMatchObject({ reason: "FIELD_INVALID", fields: ["as_of"] });
  });

  test("finds an instant between any two entries", async () => {
    const userId = "between";
    const entries = [];
    for (let n = 0; n < 9; n += 1) {
      entries.push((await server.client.recharge({ userId, points: 1n })).entry!);
    }
    await server.client.consume({ userId, cost: points(9n) });
    for (const { createTime, sequence } of entries) {
      const { account } = await server.client.getAccount({ userId, asOf: createTime! });
      expect(account).toMatchObject({ sequence, balance: sequence, updateTime: createTime });
    }
  });
});

const NEVER = new AbortController().signal;

async function run(now: bigint, commands: readonly Command[]): Promise<void> {
  const results = await commitAll(database.orm, commands, { clock: stoppedClock(now) });
  expect(results.filter((result) => "reason" in result || result instanceof Error)).toEqual([]);
}

/** The figures of GetAccount at an instant; undefined: there was no account. */
async function shownAt(userId: string, micros: bigint) {
  const request = create(GetAccountRequestSchema, { userId, asOf: toTimestamp(micros) });
  const [answer] = await Promise.allSettled([getAccount(database.orm, request, NEVER)]);
  if (answer.status === "rejected") {
    const { reason } = readRefusal(answer.reason);
    if (reason === "ACCOUNT_NOT_FOUND") return undefined;
    throw answer.reason;
  }
  const { balance, frozen, nextExpiration: next, ...rest } = answer.value.account!;
  const { totalRecharged, totalConsumed, totalExpired, totalRefunded, totalRevoked, debt } = rest;
  return {
    balance,
    frozen,
    totalRecharged,
    totalConsumed,
    totalExpired,
    totalRefunded,
    totalRevoked,
    debt,
    next: next && { time: microsOf(next.time as never), points: next.points },
  };
}
