import { toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EntryKind, HoldState } from "../../gen/points/v1/account_pb.ts";
import { type FreezeResponse, FreezeResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { expectEquations } from "../support/equations.ts";
import { refusalOf } from "../support/error-info.ts";
import { makeDue, pricedServer } from "../support/priced-server.ts";
import { bySequence, duration, microsOf, points, ttl, use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

let database: TestDatabase;
let server: TestServer;
/** A server on the same database, with a price list that shares no service with the other's. */
let other: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await pricedServer(undefined, database);
  const prices = 'version: "v2"\nservices: { fresh: { fixed: 1 } }';
  other = await pricedServer(prices, database);
});
afterAll(async () => {
  await other.stop();
  await server.stop();
  await expectEquations(database);
  await database.close();
});

describe("Freeze", () => {
  test("answers with the entry, the account and the hold", async () => {
    const userId = await account("freeze");
    await server.client.recharge({ userId, points: 50n, priority: 5 });
    const expiration = { case: "ttl", value: { seconds: 60n, nanos: 1_500 } } as const;
    const metadata = { job: "7" };
    const answer = await server.client.freeze({ userId, metadata, cost: points(120n), expiration });
    const allocations = [
      { lot: 1n, points: 100n },
      { lot: 2n, points: 20n },
    ];
    expect(answer).toMatchObject({
      entry: {
        userId,
        sequence: 3n,
        kind: EntryKind.FREEZE,
        points: 120n,
        allocations,
        metadata,
        balanceAfter: 30n,
        frozenAfter: 120n,
        refersTo: 0n,
        returned: 0n,
        priority: 0,
      },
      account: { sequence: 3n, balance: 30n, frozen: 120n, totalConsumed: 0n },
      replayed: false,
      hold: { number: 3n, points: 120n, settled: 0n, state: HoldState.OPEN, allocations },
    });
    const { createTime, expireTime, usage } = answer.entry!;
    expect(usage).toBeUndefined();
    expect(answer.hold!.expireTime).toEqual(expireTime);
    expect(microsOf(expireTime!) - microsOf(createTime!)).toBe(60_000_001n);
  });

  test("holds for 24 hours where nothing is said, and until a time that is", async () => {
    const userId = await account("freeze-times");
    const usual = await server.client.freeze({ userId, cost: points(1n) });
    const { createTime, expireTime } = usual.entry!;
    expect(microsOf(expireTime!) - microsOf(createTime!)).toBe(86_400_000_000n);
    const seconds = createTime!.seconds + 86_400n * 29n;
    const late = { case: "expireTime", value: { seconds, nanos: 999 } };
    const named = await server.client.freeze({
      userId,
      cost: points(1n),
      expiration: late as never,
    });
    expect(named.hold!.expireTime).toMatchObject({ seconds, nanos: 0 });
  });
});

describe("Settle, Release and Refund", () => {
  test("answer with the entry and what it is about", async () => {
    const userId = await account("settle");
    const { hold } = await server.client.freeze({ userId, cost: points(60n) });
    const settled = await server.client.settle({
      userId,
      hold: hold!.number,
      cost: points(45n),
      metadata: { job: "done" },
    });
    expect(settled).toMatchObject({
      entry: {
        sequence: 3n,
        kind: EntryKind.SETTLE,
        points: 45n,
        allocations: [{ lot: 1n, points: 45n }],
        refersTo: 2n,
        returned: 15n,
        balanceAfter: 55n,
        frozenAfter: 0n,
        metadata: { job: "done" },
      },
      account: { balance: 55n, frozen: 0n, totalConsumed: 45n },
      replayed: false,
    });
    expect(settled.entry!.expireTime).toBeUndefined();

    const second = await server.client.freeze({ userId, cost: points(10n) });
    const released = await server.client.release({ userId, hold: second.hold!.number });
    expect(released).toMatchObject({
      entry: { kind: EntryKind.RELEASE, points: 10n, refersTo: 4n, balanceAfter: 55n },
      account: { balance: 55n, frozen: 0n },
    });

    const refunded = await server.client.refund({ userId, sequence: 3n, points: 40n });
    expect(refunded).toMatchObject({
      entry: { kind: EntryKind.REFUND, points: 40n, refersTo: 3n, balanceAfter: 95n },
      account: { balance: 95n, totalRefunded: 40n, totalConsumed: 45n },
    });
    const rest = await server.client.refund({ userId, sequence: 3n });
    expect(rest).toMatchObject({ entry: { points: 5n }, account: { balance: 100n } });
  });

  test("give back to a lot that has expired since: booked right after the answer", async () => {
    const userId = "expired-lot";
    const expiration = ttl(3_600_000);
    await server.client.recharge({ userId, points: 30n, expiration });
    await server.client.consume({ userId, cost: points(10n) });
    const { hold } = await server.client.freeze({ userId, cost: points(20n) });
    await makeDue(database, "lot", userId, 1n);

    const settled = await server.client.settle({ userId, hold: hold!.number, cost: points(15n) });
    expect(settled.account).toMatchObject({ sequence: 4n, balance: 5n, totalExpired: 0n });
    const refunded = await server.client.refund({ userId, sequence: 2n, points: 4n });
    expect(refunded.account).toMatchObject({ sequence: 6n, balance: 4n, totalExpired: 5n });
    const reissueTtl = { seconds: 3_600n, nanos: 0 };
    const reissued = await server.client.refund({ userId, sequence: 2n, reissueTtl });
    expect(reissued).toMatchObject({
      entry: { sequence: 8n, points: 6n, allocations: [{ lot: 8n, points: 6n }] },
      account: { sequence: 8n, balance: 6n, totalExpired: 9n, totalRefunded: 10n },
    });
    const { createTime, expireTime } = reissued.entry!;
    expect(microsOf(expireTime!) - microsOf(createTime!)).toBe(3_600_000_000n);
    const { lots } = await server.client.listLots({ userId });
    expect(lots).toMatchObject([{ number: 8n, points: 6n, remaining: 6n, expireTime }]);
  });
});

describe("a hold's time", () => {
  test("comes: it cannot be settled or released, and its points are back", async () => {
    const userId = await account("time");
    const expiration = ttl(3_600_000);
    const { hold } = await server.client.freeze({ userId, cost: points(100n), expiration });
    await makeDue(database, "hold", userId, 2n);
    const refused = {
      code: "FailedPrecondition",
      reason: "HOLD_EXPIRED",
      outcome: "NOT_APPLIED",
      metadata: { hold: "2" },
    };
    const { number } = hold!;
    expect(await refusalOf(server.client.settle({ userId, hold: number }))).toMatchObject(refused);
    expect(await refusalOf(server.client.release({ userId, hold: number }))).toMatchObject(refused);
    const spent = await server.client.consume({ userId, cost: points(100n) });
    expect(spent.account).toMatchObject({ sequence: 4n, balance: 0n, frozen: 0n });
    expect(await server.client.getEntry({ userId, by: bySequence(3n) })).toMatchObject({
      entry: { kind: EntryKind.RELEASE, refersTo: 2n, points: 100n, requestId: "" },
    });
    expect(await refusalOf(server.client.settle({ userId, hold: number }))).toMatchObject(refused);
  });
});

describe("a repeat has the first answer to the byte, but for replayed, for", () => {
  test("Freeze, after its hold was settled", async () => {
    const userId = await account("repeat-freeze");
    const request = { userId, requestId: "f", cost: points(30n), metadata: { b: "1", a: "2" } };
    const first = await server.client.freeze(request);
    await server.client.settle({ userId, hold: 2n, cost: points(3n) });
    await server.client.consume({ userId, cost: points(97n) });
    const again = await other.client.freeze(request);
    expect([first.replayed, again.replayed]).toEqual([false, true]);
    expect(bytesOf(again)).toBe(bytesOf(first));
    expect(again.hold).toMatchObject({ state: HoldState.OPEN, settled: 0n });
  });

  test("Settle, Release and Refund, after their state is gone", async () => {
    const userId = await account("repeat-others");
    await server.client.freeze({ userId, cost: points(30n) });
    await server.client.freeze({ userId, cost: points(30n) });
    const all = async ({ client }: TestServer) => [
      await client.settle({ userId, requestId: "s", hold: 2n, cost: points(12n) }),
      await client.release({ userId, requestId: "r", hold: 3n }),
      await client.refund({ userId, requestId: "b", sequence: 4n }),
    ];
    const first = await all(server);
    await server.client.consume({ userId, cost: points(100n) });
    for (const again of [await all(server), await all(other)]) {
      expect(again.map(({ replayed }) => replayed)).toEqual([true, true, true]);
      expect(again.map(bytesOf)).toEqual(first.map(bytesOf));
    }
  });

  test("a use of a service that has left the price list since", async () => {
    const userId = await account("repeat-usage");
    const cost = use(duration("tts", 3n));
    const consume = { userId, requestId: "c", cost };
    const freeze = { userId, requestId: "f", cost };
    const settle = { userId, requestId: "s", hold: 3n, cost };
    const firsts = [
      await server.client.consume(consume),
      await server.client.freeze(freeze),
      await server.client.settle(settle),
    ];
    const refused = { reason: "SERVICE_NOT_PRICED", metadata: { service: "tts" } };
    expect(await refusalOf(other.client.consume({ userId, cost }))).toMatchObject(refused);
    const again = [
      await other.client.consume(consume),
      await other.client.freeze(freeze),
      await other.client.settle(settle),
    ];
    expect(again).toEqual(firsts.map((first) => ({ ...first, replayed: true })));
  });

  test.each<[string, (userId: string) => Promise<unknown>]>([
    ["Freeze", (userId) => server.client.freeze({ userId, requestId: "x", cost: points(2n) })],
    ["Settle", (userId) => server.client.settle({ userId, requestId: "x", hold: 99n })],
    ["Release", (userId) => server.client.release({ userId, requestId: "x", hold: 2n })],
    ["Refund", (userId) => server.client.refund({ userId, requestId: "x", sequence: 99n })],
  ])("%s with the id of another request is refused before anything else", async (name, call) => {
    const userId = await account(`reused-${name}`);
    await server.client.freeze({ userId, requestId: "x", cost: points(1n) });
    expect(await refusalOf(call(userId))).toMatchObject({
      code: "AlreadyExists",
      reason: "REQUEST_ID_REUSED",
      metadata: { request_id: "x", sequence: "2" },
    });
  });
});

/** Freeze's answer has all fields of the other answers and one more, so its schema does for all. */
function bytesOf(answer: Omit<FreezeResponse, "$typeName" | "hold">): string {
  const message = { ...answer, $typeName: FreezeResponseSchema.typeName, replayed: false };
  return Buffer.from(toBinary(FreezeResponseSchema, message)).toString("hex");
}

/** A new account with 100 points for ever, as lot 1. */
async function account(userId: string): Promise<string> {
  await server.client.recharge({ userId, points: 100n });
  return userId;
}
