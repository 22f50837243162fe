import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { expectEquations } from "../support/equations.ts";
import { refusalOf } from "../support/error-info.ts";
import { makeDue, pricedServer } from "../support/priced-server.ts";
import { bySequence, duration, points, quantity, ttl, use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await pricedServer();
});
afterAll(async () => {
  await expectEquations(server.database);
  await server.stop();
});

describe("usage as a cost", () => {
  const uses = [
    ["fixed", { service: "script" }, 5n],
    ["by the piece", quantity("image", 3n), 9n],
    ["by the piece, at least the minimum", quantity("image", 1n), 4n],
    ["by the piece, at most the maximum", quantity("image", 11n), 30n],
    ["by time", duration("tts", 2n, 1), 3n],
    ["free", { service: "caption" }, 0n],
    ["free, with an amount", quantity("caption", 7n), 0n],
  ] as const;

  test.each(uses)("%s is charged and recorded", async (name, usage, cost) => {
    const userId = await account(`usage-${name.replaceAll(/\W+/g, "-")}`);
    const priced = use(usage);
    const { amount = { case: undefined } } = usage as { amount?: object };
    const recorded = { service: usage.service, priceVersion: "v1", amount };
    const consumed = await server.client.consume({ userId, cost: priced });
    expect(consumed).toMatchObject({
      entry: { kind: EntryKind.CONSUME, points: cost, usage: recorded },
      account: { balance: 100n - cost },
    });
    const frozen = await server.client.freeze({ userId, cost: priced });
    expect(frozen).toMatchObject({
      entry: { kind: EntryKind.FREEZE, points: cost, usage: recorded },
      hold: { points: cost },
    });
    const { hold } = await server.client.freeze({ userId, cost: points(30n) });
    const settled = await server.client.settle({ userId, hold: hold!.number, cost: priced });
    expect(settled.entry).toMatchObject({
      points: cost,
      returned: 30n - cost,
      usage: recorded,
      refersTo: hold!.number,
    });
    // Read back from the journal it is the very same.
    const { entry } = await server.client.getEntry({
      userId,
      by: bySequence(settled.entry!.sequence),
    });
    expect(entry).toEqual(settled.entry);
  });

  test("to the longest, and to 10^12, which is every price's maximum", async () => {
    const userId = await account("usage-most");
    const longest = use(duration("tts", 31_622_400n));
    for (let lot = 0; lot < 2; lot += 1) {
      await server.client.recharge({ userId, points: 1_000_000_000_000n });
    }
    const { entry } = await server.client.consume({ userId, cost: longest });
    expect(entry).toMatchObject({ points: 500n, usage: { amount: longest.value.amount } });
    const most = use(quantity("dear", 2n));
    expect((await server.client.consume({ userId, cost: most })).entry!.points).toBe(10n ** 12n);
  });
});

describe("Quote", () => {
  test.each([
    ["fixed", { service: "script" }, 5n],
    ["by the piece", quantity("image", 3n), 9n],
    ["by time", duration("tts", 2n, 1), 3n],
    ["free", { service: "caption" }, 0n],
  ])("says what a use costs without a user: %s", async (_, usage, cost) => {
    const quote = await server.client.quote({ usage });
    expect(quote).toMatchObject({ points: cost, priceVersion: "v1" });
    expect([quote.balance, quote.sufficient, quote.shortfall]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test.each([
    [9n, true, 0n],
    [10n, true, 0n],
    [0n, false, 9n],
    [8n, false, 1n],
  ])("compares with a user's balance: %i points", async (balance, sufficient, shortfall) => {
    const userId = `quote-${balance}`;
    await server.client.getOrCreate({ userId });
    if (balance > 0n) await server.client.recharge({ userId, points: balance });
    const usage = quantity("image", 3n);
    expect(await server.client.quote({ usage, userId })).toMatchObject({
      points: 9n,
      balance,
      sufficient,
      shortfall,
    });
  });

  test("leaves out what is due, counts what is back, and writes nothing", async () => {
    const userId = await account("quote-due");
    const expiration = ttl(3_600_000);
    await server.client.recharge({ userId, points: 7n, expiration });
    await server.client.freeze({ userId, cost: points(30n), expiration });
    const { database } = server;
    await makeDue(database, "lot", userId, 2n);
    await makeDue(database, "hold", userId, 3n);
    const quote = await server.client.quote({ usage: { service: "script" }, userId });
    expect(quote).toMatchObject({ balance: 100n, sufficient: true });
    const sql = "select * from points.account where user_id = $1";
    const [row] = await database.query(sql, [userId]);
    expect(row).toMatchObject({ sequence: "3", balance: "77", frozen: "30" });
    const { account: booked } = await server.client.getOrCreate({ userId });
    expect(booked).toMatchObject({ sequence: 5n, balance: 100n, frozen: 0n, totalExpired: 7n });
  });

  test("makes no account", async () => {
    const call = server.client.quote({ usage: { service: "script" }, userId: "quote-nobody" });
    expect(await refusalOf(call)).toMatchObject({
      code: "NotFound",
      reason: "ACCOUNT_NOT_FOUND",
      metadata: { user_id: "quote-nobody" },
    });
    const sql = "select from points.account where user_id = 'quote-nobody'";
    expect(await server.database.query(sql)).toEqual([]);
  });
});

test("GetPriceList has all prices by name, and the list's version", async () => {
  const limits = { minimum: 0n, maximum: 1_000_000_000_000n };
  expect(await server.client.getPriceList({})).toMatchObject({
    priceVersion: "v1",
    prices: [
      { service: "caption", charge: { case: "free" } },
      { service: "dear", charge: { case: "quantity", value: { points: 10n ** 12n, ...limits } } },
      { service: "image", charge: { value: { points: 3n, minimum: 4n, maximum: 30n } } },
      { service: "script", charge: { case: "fixed", value: { points: 5n } } },
      {
        service: "tts",
        charge: {
          case: "duration",
          value: { points: 1n, unit: { seconds: 1n, nanos: 0 }, minimum: 0n, maximum: 500n },
        },
      },
    ],
  });
});

/** A new account with 100 points for ever, as lot 1. */
async function account(userId: string): Promise<string> {
  await server.client.recharge({ userId, points: 100n });
  return userId;
}
