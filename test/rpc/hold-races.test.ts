import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EntryKind, type Hold, HoldState } from "../../gen/points/v1/account_pb.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { expectEquations } from "../support/equations.ts";
import { readRefusal } from "../support/error-info.ts";
import { isPast } from "../support/priced-server.ts";
import { until } from "../support/processes.ts";
import { points, ttl } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

let database: TestDatabase;
let servers: TestServer[];
beforeAll(async () => {
  database = await testDatabase();
  // The sweeper releases what is due as well, beside the calls.
  const environment = { SWEEP_SECONDS: "1" };
  servers = [await testServer(environment, database), await testServer(environment, database)];
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  await expectEquations(database);
  await database.close();
});

describe("over two servers on one database", () => {
  test("50 holds, settled, released and left to expire at once, end in one way each", async () => {
    const userId = "races";
    const client = servers[0]!.client;
    await client.recharge({ userId, points: 600n, expiration: ttl(3_600_000) });
    await client.recharge({ userId, points: 400n });
    const frozen = await Promise.all(
      range(50).map((n) =>
        of(n).freeze({ userId, cost: points(BigInt(n % 10) + 1n), expiration: ttl(1_000) }),
      ),
    );
    const holds = frozen.map(({ hold }) => hold!);
    expect(new Set(holds.map(({ number }) => number)).size).toBe(50);

    // Each hold from both servers in both ways, some at once, some about when its time comes.
    const outcomes = await Promise.all(
      holds.flatMap((hold, n) =>
        range(4).map(async (attempt) => {
          if (n % 5 === 4) return { hold, how: "left" };
          if (n % 5 === 3) await sleep(900 + 5 * n);
          return close(hold, attempt, userId);
        }),
      ),
    );

    const left = holds.filter((_, n) => n % 5 === 4);
    await until("the last hold's time has come", () => {
      return isPast(database, "hold", userId, holds.at(-1)!.number);
    });
    await client.getOrCreate({ userId });
    const { holds: after } = await client.listHolds({ userId, pageSize: 1000 });
    const byNumber = new Map(after.map((hold) => [hold.number, hold]));
    for (const hold of holds) {
      const ways = outcomes
        .filter((one) => one.hold === hold && ["settled", "released"].includes(one.how))
        .map(({ how }) => how);
      const { state } = byNumber.get(hold.number)!;
      const expected = ways.length === 0 ? ["expired"] : ways;
      expect([hold.number, expected]).toEqual([hold.number, [STATE_NAMES[state]]]);
    }
    const expired = left.map(({ number }) => byNumber.get(number)!.state);
    expect(new Set(expired)).toEqual(new Set([HoldState.EXPIRED]));
    expect(outcomes.map(({ how }) => how)).not.toContain("unexpected");
    const { account } = await client.getOrCreate({ userId });
    expect(account).toMatchObject({ frozen: 0n, totalRecharged: 1000n });
    expect(account!.balance + account!.totalConsumed).toBe(1000n);
    const settled = after.reduce((sum, hold) => sum + hold.settled, 0n);
    expect(account!.totalConsumed).toBe(settled);
    await expectEquations(database);
  });

  test.each([
    ["whole", undefined, "with one id", 1n],
    ["whole", undefined, "each with its own id", 1n],
    ["whole", undefined, "without ids", 1n],
    ["in parts of 1", 1n, "with one id", 1n],
    ["in parts of 1", 1n, "each with its own id", 40n],
    ["in parts of 3", 3n, "without ids", 13n],
  ] as const)("one entry refunded 100 times at once, %s, %s", async (whole, part, ids, times) => {
    const userId = `refund-${whole}-${ids}`.replaceAll(" ", "-");
    const client = servers[0]!.client;
    await client.recharge({ userId, points: 25n });
    await client.recharge({ userId, points: 25n, expiration: ttl(3_600_000) });
    await client.consume({ userId, cost: points(40n) });

    const results = await Promise.allSettled(
      range(100).map((n) =>
        of(n).refund({
          userId,
          sequence: 3n,
          ...(part === undefined ? {} : { points: part }),
          ...(ids === "without ids" ? {} : { requestId: ids === "with one id" ? "r" : `r${n}` }),
        }),
      ),
    );

    const answers = results.filter((result) => result.status === "fulfilled");
    const applied = answers.filter(({ value }) => !value.replayed);
    const back = part === undefined ? 40n : part * times;
    expect(BigInt(applied.length)).toBe(times);
    expect(answers.length).toBe(ids === "with one id" ? 100 : applied.length);
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      const { reason, metadata } = readRefusal(result.reason);
      expect([reason, metadata["refundable"]]).toEqual([
        "REFUND_EXCEEDS_ENTRY",
        String(40n - back),
      ]);
    }
    const { account } = await client.getOrCreate({ userId });
    const sequence = 3n + times;
    expect(account).toMatchObject({ balance: 10n + back, totalRefunded: back, sequence });
    const kinds = [EntryKind.REFUND];
    const { entries } = await client.listEntries({ userId, kinds, pageSize: 1000 });
    expect(entries.reduce((sum, entry) => sum + entry.points, 0n)).toBe(back);
    // Last taken first: lot 1 gave 15, and gets them back before lot 2 gets any.
    const byLot = new Map<bigint, bigint>();
    for (const { lot, points: some } of entries.flatMap(({ allocations }) => allocations)) {
      byLot.set(lot, (byLot.get(lot) ?? 0n) + some);
    }
    const ofFirst = back < 15n ? back : 15n;
    expect(byLot.get(1n)).toBe(ofFirst);
    expect(byLot.get(2n) ?? 0n).toBe(back - ofFirst);
    await expectEquations(database);
  });

  test("freezes, settles and consumes of one account at once never pass its points", async () => {
    const userId = "crowd";
    await servers[0]!.client.recharge({ userId, points: 200n });
    const results = await Promise.allSettled(
      range(200).map(async (n) => {
        if (n % 2 === 0) return of(n).consume({ userId, cost: points(3n) });
        const { hold } = await of(n).freeze({ userId, cost: points(4n) });
        if (n % 3 === 0) return of(n + 1).release({ userId, hold: hold!.number });
        return of(n + 1).settle({ userId, hold: hold!.number, cost: points(1n) });
      }),
    );
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      expect(readRefusal(result.reason).reason).toBe("INSUFFICIENT_POINTS");
    }
    const { account } = await servers[1]!.client.getOrCreate({ userId });
    expect(account!.frozen).toBe(0n);
    expect(account!.balance + account!.totalConsumed).toBe(200n);
    await expectEquations(database);
  });
});

const STATE_NAMES: Record<HoldState, string> = {
  [HoldState.UNSPECIFIED]: "unspecified",
  [HoldState.OPEN]: "open",
  [HoldState.SETTLED]: "settled",
  [HoldState.RELEASED]: "released",
  [HoldState.EXPIRED]: "expired",
};

function of(call: number) {
  return servers[call % 2]!.client;
}

/** Tries to close a hold, and gives the outcome. */
async function close(hold: Hold, attempt: number, userId: string) {
  const client = of(attempt);
  try {
    if (attempt < 2) {
      const cost = points(hold.points > 1n ? hold.points - 1n : 1n);
      await client.settle({ userId, hold: hold.number, cost });
      return { hold, how: "settled" };
    }
    await client.release({ userId, hold: hold.number });
    return { hold, how: "released" };
  } catch (error) {
    const { reason } = readRefusal(error);
    const isExpected = reason === "HOLD_CLOSED" || reason === "HOLD_EXPIRED";
    return { hold, how: isExpected ? "refused" : "unexpected" };
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
