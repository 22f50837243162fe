import { toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EntryKind, HoldState } from "../../gen/points/v1/account_pb.ts";
import {
  type ExtendHoldResponse,
  ExtendHoldResponseSchema,
} from "../../gen/points/v1/points_pb.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { expectEquations } from "../support/equations.ts";
import { refusalOf } from "../support/error-info.ts";
import { makeDue, pricedServer } from "../support/priced-server.ts";
import { duration, microsOf, points, ttl, use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";
import { FIELD_INVALID, refusedUnchanged } from "../support/unchanged.ts";

// Holds that are extended and settled in parts, by the API.

let database: TestDatabase;
let server: TestServer;
/** A server on the same database, whose price list has none of the other's services. */
let other: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await pricedServer(undefined, database);
  other = await pricedServer('version: "v2"\nservices: { fresh: { fixed: 1 } }', database);
});
afterAll(async () => {
  await other.stop();
  await server.stop();
  await expectEquations(database);
  await database.close();
});

describe("ExtendHold", () => {
  test("answers with the entry, the account and the hold", async () => {
    const userId = await account("extend");
    const { client } = server;
    const { entry: frozen } = await client.freeze({ userId, cost: points(10n), expiration: HOUR });
    await client.settle({ userId, hold: 2n, cost: points(4n), keepOpen: true });
    const answer = await client.extendHold({
      userId,
      hold: 2n,
      more: points(20n),
      expiration: ttl(7_200_000),
      metadata: { job: "7" },
      actor: "ana",
    });
    expect(answer).toMatchObject({
      entry: {
        sequence: 4n,
        kind: EntryKind.EXTEND,
        points: 20n,
        allocations: [{ lot: 1n, points: 20n }],
        refersTo: 2n,
        balanceAfter: 70n,
        frozenAfter: 26n,
        keptOpen: false,
        metadata: { job: "7" },
        actor: "ana",
      },
      account: { sequence: 4n, balance: 70n, frozen: 26n, totalConsumed: 4n },
      replayed: false,
      hold: {
        number: 2n,
        points: 30n,
        settled: 4n,
        state: HoldState.OPEN,
        allocations: [{ lot: 1n, points: 26n }],
        service: "",
      },
    });
    const { createTime, expireTime } = answer.entry!;
    expect(microsOf(expireTime!) - microsOf(createTime!)).toBe(7_200_000_000n);
    expect(expireTime).not.toEqual(frozen!.expireTime);
    expect(answer.hold!.expireTime).toEqual(expireTime);
    const { holds } = await client.listHolds({ userId, openOnly: true });
    expect(holds).toEqual([answer.hold]);
  });

  test("by a use adds what it costs, for as long as before", async () => {
    const userId = await account("extend-use");
    const { client } = server;
    const { hold } = await client.freeze({ userId, cost: use(duration("tts", 5n)) });
    const answer = await client.extendHold({ userId, hold: 2n, more: use(duration("tts", 9n)) });
    expect(answer).toMatchObject({
      entry: { points: 9n, usage: { service: "tts" }, expireTime: hold!.expireTime! },
      hold: { points: 14n, service: "tts", expireTime: hold!.expireTime! },
    });
  });

  test("again has the first answer to the byte, whatever became of the hold", async () => {
    const userId = await account("extend-again");
    await server.client.freeze({ userId, cost: use(duration("tts", 5n)) });
    await server.client.settle({ userId, hold: 2n, cost: points(1n), keepOpen: true });
    const more = use(duration("tts", 9n));
    const request = { userId, requestId: "more", hold: 2n, more, expiration: HOUR };
    const first = await server.client.extendHold(request);
    await server.client.settle({ userId, hold: 2n, cost: points(3n), keepOpen: true });
    const again = await other.client.extendHold(request);
    await server.client.release({ userId, hold: 2n });
    const later = await other.client.extendHold(request);
    for (const repeat of [again, later]) {
      expect(repeat).toMatchObject({ replayed: true, hold: { points: 14n, settled: 1n } });
      expect(bytesOf(repeat)).toBe(bytesOf(first));
    }
    const reused = server.client.extendHold({ ...request, hold: 9n });
    expect(await refusalOf(reused)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });
});

describe("Settle with keep_open", () => {
  test("spends parts, each with its own id, and says that the hold stays open", async () => {
    const userId = await account("parts");
    const { client } = server;
    await client.freeze({ userId, cost: points(10n) });
    const part = { userId, hold: 2n, cost: points(3n), keepOpen: true };
    const first = await client.settle({ ...part, requestId: "part-1" });
    expect(first).toMatchObject({
      entry: { kind: EntryKind.SETTLE, points: 3n, returned: 0n, keptOpen: true, refersTo: 2n },
      account: { balance: 90n, frozen: 7n, totalConsumed: 3n },
    });
    await client.settle({ ...part, requestId: "part-2" });
    const again = await client.settle({ ...part, requestId: "part-1" });
    expect(again).toEqual({ ...first, replayed: true });
    const open = await client.listHolds({ userId });
    expect(open.holds).toMatchObject([
      {
        points: 10n,
        settled: 6n,
        state: HoldState.OPEN,
        allocations: [{ lot: 1n, points: 4n }],
      },
    ]);
    const exceeded = client.settle({ ...part, cost: points(5n) });
    expect(await refusalOf(exceeded)).toMatchObject({
      code: "FailedPrecondition",
      reason: "HOLD_EXCEEDED",
      metadata: { held: "4", required: "5" },
    });
    const last = await client.settle({ userId, hold: 2n, cost: points(1n) });
    expect(last).toMatchObject({
      entry: { points: 1n, returned: 3n, keptOpen: false },
      account: { balance: 93n, frozen: 0n, totalConsumed: 7n },
    });
    const { holds } = await client.listHolds({ userId });
    expect(holds).toMatchObject([{ points: 10n, settled: 7n, state: HoldState.SETTLED }]);
    expect(await refusalOf(client.settle(part))).toMatchObject({
      reason: "HOLD_CLOSED",
      metadata: { hold: "2", state: "settled" },
    });
    const kinds = [EntryKind.SETTLE];
    const { entries } = await client.listEntries({ userId, kinds });
    expect(entries.map(({ keptOpen }) => keptOpen)).toEqual([false, true, true]);
    const refunded = await client.refund({ userId, sequence: first.entry!.sequence });
    expect(refunded).toMatchObject({ entry: { points: 3n }, account: { balance: 96n } });
  });

  test("leaves what is left to come back at the hold's time, as reads show at once", async () => {
    const userId = await account("parts-due");
    const { client } = server;
    await client.freeze({ userId, cost: points(10n) });
    await client.settle({ userId, hold: 2n, cost: points(4n), keepOpen: true });
    await makeDue(database, "hold", userId, 2n);
    const read = await client.getAccount({ userId });
    expect(read.account).toMatchObject({ balance: 96n, frozen: 0n, sequence: 3n });
    const { holds } = await client.listHolds({ userId });
    expect(holds).toMatchObject([{ settled: 4n, state: HoldState.EXPIRED }]);
    const late = client.extendHold({ userId, hold: 2n, expiration: HOUR });
    expect(await refusalOf(late)).toMatchObject({ reason: "HOLD_EXPIRED" });
    const booked = await client.getOrCreate({ userId });
    expect(booked.account).toMatchObject({ balance: 96n, frozen: 0n, sequence: 4n });
    const { entries } = await client.listEntries({ userId, pageSize: 1 });
    expect(entries).toMatchObject([{ kind: EntryKind.RELEASE, points: 6n, refersTo: 2n }]);
  });
});

test("an account may be asked for as it was between the parts of a hold", async () => {
  const userId = await account("as-of");
  const { client } = server;
  const frozen = await client.freeze({ userId, cost: points(10n) });
  const part = await client.settle({ userId, hold: 2n, cost: points(4n), keepOpen: true });
  const extended = await client.extendHold({ userId, hold: 2n, more: points(3n) });
  await client.settle({ userId, hold: 2n });
  for (const { entry, account: left } of [frozen, part, extended]) {
    const { account: was } = await client.getAccount({ userId, asOf: entry!.createTime! });
    expect(was).toMatchObject({ balance: left!.balance, frozen: left!.frozen });
  }
});

describe("bad input changes nothing:", () => {
  const userId = "bad";
  const soon = { case: "expireTime", value: { seconds: 4_102_444_800n, nanos: 0 } } as const;
  beforeAll(async () => {
    await account(userId);
    await server.client.freeze({ userId, cost: use(duration("tts", 5n)), expiration: HOUR });
  });
  type Extension = Parameters<TestServer["client"]["extendHold"]>[0];
  const more = points(1n);

  test.each<[string, Extension, string]>([
    ["neither more nor an expiration", {}, "more"],
    ["no hold", { hold: 0n, more }, "hold"],
    ["a negative hold", { hold: -1n, more }, "hold"],
    ["no user", { userId: "", more }, "user_id"],
    ["a request_id with a space", { requestId: "a b", more }, "request_id"],
    ["0 points", { more: points(0n) }, "points"],
    ["too many points", { more: points(1_000_000_000_001n) }, "points"],
    ["a use without a service", { more: use({ service: "" }) }, "usage.service"],
    ["a use without its amount", { more: use({ service: "tts" }) }, "usage.duration"],
    [
      "a use of another service than the hold's",
      { more: use({ service: "script" }) },
      "usage.service",
    ],
    ["a ttl of 0", { expiration: ttl(0) }, "ttl"],
    ["a ttl of 31 days", { expiration: ttl(31 * 86_400_000) }, "ttl"],
    ["a time past 30 days", { expiration: soon }, "expire_time"],
    ["a time before the hold's", { expiration: inAMinute() }, "expire_time"],
    ["a time that has passed", { expiration: at(1n) }, "expire_time"],
    ["an actor with a newline", { more, actor: "a\n" }, "actor"],
  ])("an extension with %s is FIELD_INVALID", async (_, request, field) => {
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.extendHold({ userId, hold: 2n, ...request })),
    );
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test("too little for the extension, or no price", async () => {
    const call = (asked: Extension) =>
      refusedUnchanged(server, () =>
        refusalOf(server.client.extendHold({ userId, hold: 2n, ...asked })),
      );
    expect(await call({ more: points(96n) })).toMatchObject({
      reason: "INSUFFICIENT_POINTS",
      metadata: { balance: "95", usable: "95", required: "96", shortfall: "1" },
    });
    expect(await call({ more: use({ service: "nothing" }) })).toMatchObject({
      reason: "SERVICE_NOT_PRICED",
    });
    expect(await call({ hold: 9n, more })).toMatchObject({ reason: "HOLD_NOT_FOUND" });
    const nobody = { userId: "nobody", hold: 2n, more };
    expect(await refusalOf(server.client.extendHold(nobody))).toMatchObject({
      reason: "ACCOUNT_NOT_FOUND",
    });
  });
});

test("points verify finds these accounts as their entries leave them", async () => {
  const userId = await account("audited");
  const own = await testDatabase();
  const alone = await pricedServer(undefined, own);
  await alone.client.recharge({ userId, points: 100n });
  await alone.client.freeze({ userId, cost: points(10n) });
  await alone.client.settle({ userId, hold: 2n, cost: points(4n), keepOpen: true });
  await alone.client.extendHold({ userId, hold: 2n, more: points(3n), expiration: HOUR });
  await alone.client.settle({ userId, hold: 2n, keepOpen: true });
  await alone.stop();
  expect(await auditDatabase(own.url)).toEqual({ accounts: 1, entries: 5 });
  await own.close();
});

const HOUR = ttl(3_600_000);

function at(seconds: bigint) {
  return { case: "expireTime", value: { seconds, nanos: 0 } } as const;
}

function inAMinute() {
  return at(BigInt(Math.floor(Date.now() / 1000)) + 60n);
}

function bytesOf(answer: ExtendHoldResponse): string {
  const first = { ...answer, replayed: false };
  return Buffer.from(toBinary(ExtendHoldResponseSchema, first)).toString("hex");
}

/** A new account with 100 points for ever, as lot 1. */
async function account(userId: string): Promise<string> {
  await server.client.recharge({ userId, points: 100n });
  return userId;
}
