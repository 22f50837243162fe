import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectEquations } from "../support/equations.ts";
import { refusalOf } from "../support/error-info.ts";
import { pricedServer } from "../support/priced-server.ts";
import { duration, points, quantity, use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await pricedServer();
});
afterAll(async () => {
  await expectEquations(server.database);
  await server.stop();
});

describe("a refusal says why:", () => {
  const client = () => server.client;
  // Of user "refusals": 1 recharge 100, 2 freeze 10, 3 freeze 10, 4 settle all of 3, 5 freeze 10,
  // 6 release 5, 7 refund 4 of entry 4.
  const userId = "refusals";
  beforeAll(async () => {
    await account(userId);
    await client().freeze({ userId, cost: points(10n) });
    await client().freeze({ userId, cost: points(10n) });
    await client().settle({ userId, hold: 3n });
    await client().freeze({ userId, cost: points(10n) });
    await client().release({ userId, hold: 5n });
    await client().refund({ userId, sequence: 4n, points: 4n });
  });
  const notPriced = use({ service: "nothing" });
  const nobody = { userId: "nobody" };

  test.each<[string, () => Promise<unknown>, string, string, Record<string, string>]>([
    [
      "Freeze without an account",
      () => client().freeze({ ...nobody, cost: points(1n) }),
      "NotFound",
      "ACCOUNT_NOT_FOUND",
      { user_id: "nobody" },
    ],
    [
      "Settle without an account",
      () => client().settle({ ...nobody, hold: 1n }),
      "NotFound",
      "ACCOUNT_NOT_FOUND",
      { user_id: "nobody" },
    ],
    [
      "Release without an account",
      () => client().release({ ...nobody, hold: 1n }),
      "NotFound",
      "ACCOUNT_NOT_FOUND",
      { user_id: "nobody" },
    ],
    [
      "Refund without an account",
      () => client().refund({ ...nobody, sequence: 1n }),
      "NotFound",
      "ACCOUNT_NOT_FOUND",
      { user_id: "nobody" },
    ],
    [
      "Freeze of too much",
      () => client().freeze({ userId, cost: points(85n) }),
      "FailedPrecondition",
      "INSUFFICIENT_POINTS",
      { balance: "84", usable: "84", required: "85", shortfall: "1" },
    ],
    [
      "Consume of what is frozen",
      () => client().consume({ userId, cost: points(85n) }),
      "FailedPrecondition",
      "INSUFFICIENT_POINTS",
      { balance: "84", usable: "84", required: "85", shortfall: "1" },
    ],
    ...(["consume", "freeze"] as const).map(
      (rpc): [string, () => Promise<unknown>, string, string, Record<string, string>] => [
        `${rpc} of a service without a price`,
        () => client()[rpc]({ userId, cost: notPriced }),
        "NotFound",
        "SERVICE_NOT_PRICED",
        { service: "nothing" },
      ],
    ),
    [
      "Settle of a service without a price",
      () => client().settle({ userId, hold: 2n, cost: notPriced }),
      "NotFound",
      "SERVICE_NOT_PRICED",
      { service: "nothing" },
    ],
    [
      "Quote of a service without a price",
      () => client().quote({ usage: { service: "nothing" } }),
      "NotFound",
      "SERVICE_NOT_PRICED",
      { service: "nothing" },
    ],
    [
      "Settle of no hold",
      () => client().settle({ userId, hold: 99n }),
      "NotFound",
      "HOLD_NOT_FOUND",
      { hold: "99" },
    ],
    [
      "Settle of another user's hold",
      async () => client().settle({ userId: await account("not-mine"), hold: 2n }),
      "NotFound",
      "HOLD_NOT_FOUND",
      { hold: "2" },
    ],
    [
      "Release of the largest number there is",
      () => client().release({ userId, hold: 2n ** 63n - 1n }),
      "NotFound",
      "HOLD_NOT_FOUND",
      { hold: String(2n ** 63n - 1n) },
    ],
    [
      "Settle of a settled hold",
      () => client().settle({ userId, hold: 3n }),
      "FailedPrecondition",
      "HOLD_CLOSED",
      { hold: "3", state: "settled" },
    ],
    [
      "Release of a released hold",
      () => client().release({ userId, hold: 5n }),
      "FailedPrecondition",
      "HOLD_CLOSED",
      { hold: "5", state: "released" },
    ],
    [
      "Settle of too much",
      () => client().settle({ userId, hold: 2n, cost: points(11n) }),
      "FailedPrecondition",
      "HOLD_EXCEEDED",
      { held: "10", required: "11" },
    ],
    [
      "Refund of no entry",
      () => client().refund({ userId, sequence: 2n ** 63n - 1n }),
      "NotFound",
      "ENTRY_NOT_FOUND",
      { sequence: String(2n ** 63n - 1n) },
    ],
    [
      "Refund of a recharge",
      () => client().refund({ userId, sequence: 1n }),
      "FailedPrecondition",
      "ENTRY_NOT_REFUNDABLE",
      { sequence: "1", kind: "recharge" },
    ],
    [
      "Refund of too much",
      () => client().refund({ userId, sequence: 4n, points: 7n }),
      "FailedPrecondition",
      "REFUND_EXCEEDS_ENTRY",
      { sequence: "4", refundable: "6", required: "7" },
    ],
  ])("%s", async (_, call, code, reason, metadata) => {
    const before = await client().getOrCreate({ userId });
    const { domain, outcome, ...refusal } = await refusalOf(call());
    expect(refusal).toMatchObject({ code, reason, metadata, fields: [] });
    expect([domain, outcome]).toEqual(["points.v1", "NOT_APPLIED"]);
    expect(await client().getOrCreate({ userId })).toEqual(before);
  });

  const soonPast = { case: "expireTime", value: { seconds: 1n, nanos: 0 } } as const;
  test.each<[string, () => Promise<unknown>, string]>([
    ["Freeze without a cost", () => client().freeze({ userId }), "cost"],
    ["Freeze of 0", () => client().freeze({ userId, cost: points(0n) }), "points"],
    [
      "Freeze that has expired",
      () => client().freeze({ userId, cost: points(999n), expiration: soonPast }),
      "expire_time",
    ],
    ["Settle without a hold", () => client().settle({ userId }), "hold"],
    ["Settle of 0", () => client().settle({ userId, hold: 2n, cost: points(0n) }), "points"],
    ["Release of hold -1", () => client().release({ userId, hold: -1n }), "hold"],
    ["Refund of entry 0", () => client().refund({ userId, sequence: 0n }), "sequence"],
    ["Refund of 0", () => client().refund({ userId, sequence: 4n, points: 0n }), "points"],
    [
      "Refund with a life of 0",
      () => client().refund({ userId, sequence: 4n, reissueTtl: { seconds: 0n, nanos: 0 } }),
      "reissue_ttl",
    ],
    [
      "Refund with a life past the year 9999",
      () => client().refund({ userId, sequence: 4n, reissueTtl: { seconds: 300_000_000_000n } }),
      "reissue_ttl",
    ],
    ["Quote of nothing", () => client().quote({}), "usage"],
    ["Quote of an empty service", () => client().quote({ usage: {} }), "usage.service"],
    ["Quote of pieces without a number", () => quoteOf({ service: "image" }), "usage.quantity"],
    ["Quote of 0 pieces", () => quoteOf(quantity("image", 0n)), "usage.quantity"],
    ["Quote of time without a length", () => quoteOf({ service: "tts" }), "usage.duration"],
    ["Quote of no time", () => quoteOf(duration("tts", 0n)), "usage.duration"],
    ["Quote of 367 days", () => quoteOf(duration("tts", 367n * 86_400n)), "usage.duration"],
    ["Quote of negative time", () => quoteOf(duration("tts", 1n, -1)), "usage.duration"],
    ["Quote for a bad user", () => quoteOf({ service: "script" }, "a b"), "user_id"],
    [
      "Consume of pieces without a number",
      () => client().consume({ userId, cost: use({ service: "image" }) }),
      "usage.quantity",
    ],
  ])("%s: FIELD_INVALID names the field", async (_, call, field) => {
    expect(await refusalOf(call())).toMatchObject({
      code: "InvalidArgument",
      reason: "FIELD_INVALID",
      outcome: "NOT_APPLIED",
      fields: [field],
    });
  });

  const quoteOf = (usage: object, user = "") => client().quote({ usage, userId: user });
});

/** A new account with 100 points for ever, as lot 1. */
async function account(userId: string): Promise<string> {
  await server.client.recharge({ userId, points: 100n });
  return userId;
}
