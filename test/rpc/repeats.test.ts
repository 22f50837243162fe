import { toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ConsumeResponse,
  ConsumeResponseSchema,
  type ExpireResponse,
  PointsService,
  type RechargeResponse,
} from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../support/error-info.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { unlessLate } from "../support/priced-server.ts";
import { testServer, type TestServer } from "../support/server.ts";

type Answer = RechargeResponse | ConsumeResponse | ExpireResponse;

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await testServer({}, database);
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const REQUEST_ID = "again";
const METADATA = { zebra: "1", ape: "2", 7: "3", ä: "4" };

/** Every kind of mutation, on an account that holds 100 points for ever as lot 1. */
const MUTATIONS: [string, (userId: string) => Promise<Answer>][] = [
  ["Recharge", (userId) => server.client.recharge({ ...named(userId), points: 40n, priority: 3 })],
  [
    "Recharge with an expire_time",
    (userId) =>
      server.client.recharge({
        ...named(userId),
        points: 40n,
        expiration: { case: "expireTime", value: { seconds: 4_102_444_800n, nanos: 123_456_789 } },
      }),
  ],
  [
    "Recharge with a ttl",
    (userId) =>
      server.client.recharge({
        ...named(userId),
        points: 40n,
        expiration: { case: "ttl", value: { seconds: 3600n, nanos: 999 } },
      }),
  ],
  ["Consume", (userId) => server.client.consume({ ...named(userId), cost: points(30n) })],
  [
    "Consume of everything",
    (userId) => server.client.consume({ ...named(userId), cost: points(100n) }),
  ],
  ["Expire of points", (userId) => server.client.expire({ ...named(userId), target: points(30n) })],
  ["Expire of a lot", (userId) => server.client.expire({ ...named(userId), target: lot(1n) })],
  ["Expire of what is due, of which there is nothing", expireDue],
];

describe.each(MUTATIONS)("a repeated %s", (name, call) => {
  const userId = name.replaceAll(/\W+/g, "-");

  test("is answered as the first time, but for replayed, whatever happened since", async () => {
    await server.client.recharge({ userId, points: 100n });
    const first = await call(userId);
    const sequence = first.account!.sequence;
    expect(first.replayed).toBe(false);

    const atOnce = await call(userId);
    await server.client.recharge({ userId, points: 1000n, metadata: { other: "command" } });
    const afterOne = await call(userId);
    await server.client.consume({ userId, cost: points(1000n) });
    await server.client.recharge({ userId, requestId: "other", points: 5n });
    const afterMore = await call(userId);

    for (const repeat of [atOnce, afterOne, afterMore]) {
      expect(repeat.replayed).toBe(true);
      expect(bytesOf(repeat)).toBe(bytesOf(first));
      expect(repeat).toEqual({ ...first, replayed: true });
    }
    const { account } = await server.client.getOrCreate({ userId });
    expect(account!.sequence).toBe(sequence + 3n);
  });
});

describe("a repeat", () => {
  test.each(["ttl", "expireTime"] as const)(
    "is no refusal after the lot's %s has come",
    async (how) => {
      const userId = `expired-${how}`;
      // On a slow machine the time may come before the request: then the next is later.
      const inTime = async (micros: bigint) => {
        const soon = how === "ttl" ? micros : await databaseMicros(micros);
        const value = { seconds: soon / 1_000_000n, nanos: Number(soon % 1_000_000n) * 1000 };
        const expiration = { case: how, value } as const;
        const request = { ...named(userId), points: 40n, expiration };
        const first = await unlessLate(server.client.recharge(request));
        return first && { request, first };
      };
      let found = await inTime(400_000n);
      for (let micros = 800_000n; found === undefined; micros *= 2n) found = await inTime(micros);
      const { request, first } = found;
      await emptied(userId);

      const repeat = await server.client.recharge(request);

      expect(repeat.replayed).toBe(true);
      expect(bytesOf(repeat)).toBe(bytesOf(first));
      expect(repeat.account!.balance).toBe(40n);
      const { account } = await server.client.getOrCreate({ userId });
      expect(account).toMatchObject({ balance: 0n, totalExpired: 40n, sequence: 2n });
    },
  );

  test("of a Consume is no refusal when its points have gone since", async () => {
    const userId = "spent-since";
    await server.client.recharge({ userId, points: 10n });
    const first = await server.client.consume({ ...named(userId), cost: points(6n) });
    await server.client.consume({ userId, cost: points(4n) });
    const repeat = await server.client.consume({ ...named(userId), cost: points(6n) });
    expect(bytesOf(repeat)).toBe(bytesOf(first));
  });

  test("of an Expire of what is due makes no entry, though more is due by then", async () => {
    const userId = "due-since";
    const value = { seconds: 0n, nanos: 50_000_000 };
    await server.client.recharge({ userId, points: 10n });
    const nothing = await expireDue(userId);
    await server.client.recharge({ userId, points: 5n, expiration: { case: "ttl", value } });
    await emptied(userId, 10n);

    const repeat = await expireDue(userId);

    expect(nothing.entry).toBeUndefined();
    expect(bytesOf(repeat)).toBe(bytesOf(nothing));
    expect(repeat).toMatchObject({ replayed: true, account: { balance: 10n, sequence: 1n } });
  });

  test("of an Expire of what was due is answered with its entry", async () => {
    const userId = "was-due";
    const value = { seconds: 0n, nanos: 1_000_000 };
    await server.client.recharge({ userId, points: 5n, expiration: { case: "ttl", value } });
    // Until the lot is due there is nothing to take, and each of these names another request.
    let first: ExpireResponse;
    let requestId: string;
    for (let attempt = 0; ; attempt += 1) {
      requestId = `due-${attempt}`;
      first = await server.client.expire({ userId, requestId, target: due() });
      if (first.entry !== undefined) break;
    }
    expect(first.entry).toMatchObject({ requestId: "", points: 5n, sequence: 2n });
    const repeat = await server.client.expire({ userId, requestId, target: due() });
    expect(repeat.replayed).toBe(true);
    expect(bytesOf(repeat)).toBe(bytesOf(first));
  });

  test("of an Expire of an empty lot is answered without an entry", async () => {
    const userId = "empty-lot";
    await server.client.recharge({ userId, points: 10n });
    await server.client.consume({ userId, cost: points(10n) });
    const first = await server.client.expire({ ...named(userId), target: lot(1n) });
    await server.client.recharge({ userId, points: 3n });
    const repeat = await server.client.expire({ ...named(userId), target: lot(1n) });
    expect(first).toMatchObject({ replayed: false, account: { sequence: 2n } });
    expect(first.entry).toBeUndefined();
    expect(repeat).toEqual({ ...first, replayed: true });
  });

  test("on an account without entries is answered as the account was", async () => {
    const userId = "no-entries";
    await server.client.getOrCreate({ userId });
    const first = await expireDue(userId);
    await server.client.recharge({ userId, points: 3n });
    const repeat = await expireDue(userId);
    expect(first.account).toMatchObject({ sequence: 0n, balance: 0n });
    expect(repeat).toEqual({ ...first, replayed: true });
  });

  test("is known to a server that has just started", async () => {
    const userId = "restart";
    const first = await server.client.recharge({ ...named(userId), points: 10n });
    const other = await testServer({}, database);
    const repeat = await other.client.recharge({ ...named(userId), points: 10n });
    await other.stop();
    expect(repeat.replayed).toBe(true);
    expect(bytesOf(repeat)).toBe(bytesOf(first));
  });

  test("is known when it comes in one batch with the first", async () => {
    const userId = "one-batch";
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => server.client.recharge({ ...named(userId), points: 10n })),
    );
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(answers.every(({ account }) => account!.sequence === 1n)).toBe(true);
  });
});

describe("the same request", () => {
  test("may have its metadata in another order", async () => {
    const request = { userId: "order", requestId: "r", points: 5n };
    const first = await server.client.recharge({
      ...request,
      metadata: { a: "1", bb: "2", c: "3", 10: "4" },
    });
    const second = await server.client.recharge({
      ...request,
      metadata: { 10: "4", c: "3", bb: "2", a: "1" },
    });
    expect(second.replayed).toBe(true);
    expect(bytesOf(second)).toBe(bytesOf(first));
  });

  test("may come in JSON after it came in binary, and the other way round", async () => {
    const transport = createConnectTransport({
      baseUrl: server.baseUrl,
      httpVersion: "1.1",
      useBinaryFormat: false,
    });
    const json = createClient(PointsService, transport);
    const expiration = {
      case: "expireTime",
      value: { seconds: 4_102_444_800n, nanos: 123_456_000 },
    } as const;
    const request = { points: 5n, priority: 9, expiration, metadata: METADATA };
    for (const [userId, one, two] of [
      ["binary-json", server.client, json],
      ["json-binary", json, server.client],
    ] as const) {
      const first = await one.recharge({ userId, requestId: "r", ...request });
      const second = await two.recharge({ userId, requestId: "r", ...request });
      expect(second.replayed).toBe(true);
      expect(bytesOf(second)).toBe(bytesOf(first));
    }
  });

  test("may say in JSON what is the default", async () => {
    const bodies = [
      `{"userId":"defaults","requestId":"r","points":5,"priority":0,"metadata":{}}`,
      `{"points":"5","request_id":"r","user_id":"defaults"}`,
      `{"userId":"defaults","requestId":"r","points":"5","expireTime":null}`,
    ];
    for (const body of bodies) {
      const response = await fetch(`${server.baseUrl}/${PointsService.typeName}/Recharge`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      expect([body, response.status]).toEqual([body, 200]);
    }
    const { account } = await server.client.getOrCreate({ userId: "defaults" });
    expect(account).toMatchObject({ sequence: 1n, balance: 5n });
  });

  test("without an id is another operation each time", async () => {
    await server.client.recharge({ userId: "nameless", points: 5n });
    const second = await server.client.recharge({ userId: "nameless", points: 5n });
    expect(second).toMatchObject({ replayed: false, account: { balance: 10n, sequence: 2n } });
  });
});

describe("the same id", () => {
  test("of another user is another request", async () => {
    const one = await server.client.recharge({ ...named("user-1"), points: 5n });
    const two = await server.client.recharge({ ...named("user-2"), points: 7n });
    expect([one, two]).toMatchObject([
      { replayed: false, account: { balance: 5n } },
      { replayed: false, account: { balance: 7n } },
    ]);
  });

  test.each<[string, (userId: string) => Promise<unknown>, Record<string, string>]>([
    [
      "INSUFFICIENT_POINTS",
      (userId) => server.client.consume({ ...named(userId), cost: points(5n) }),
      { balance: "0" },
    ],
    [
      "LOT_NOT_FOUND",
      (userId) => server.client.expire({ ...named(userId), target: lot(1n) }),
      { lot: "1" },
    ],
  ])("may be used again after %s, which is not remembered", async (reason, call, metadata) => {
    const userId = `refused-${reason}`;
    await server.client.getOrCreate({ userId });
    expect(await refusalOf(call(userId))).toMatchObject({ reason, metadata });
    expect(await refusalOf(call(userId))).toMatchObject({ reason, metadata });
    await server.client.recharge({ userId, points: 5n });
    expect(await call(userId)).toMatchObject({ replayed: false, account: { balance: 0n } });
    expect(await call(userId)).toMatchObject({ replayed: true, account: { balance: 0n } });
  });

  test("may be used again for another request after a refusal", async () => {
    const userId = "refused-then-other";
    await server.client.recharge({ userId, points: 5n });
    const refusal = await refusalOf(server.client.consume({ ...named(userId), cost: points(6n) }));
    expect(refusal.reason).toBe("INSUFFICIENT_POINTS");
    const answer = await server.client.consume({ ...named(userId), cost: points(5n) });
    expect(answer).toMatchObject({ replayed: false, account: { balance: 0n } });
  });

  test("after ACCOUNT_NOT_FOUND is free for the account's first request", async () => {
    const userId = "not-yet";
    const refusal = await refusalOf(server.client.consume({ ...named(userId), cost: points(6n) }));
    expect(refusal.reason).toBe("ACCOUNT_NOT_FOUND");
    expect(await server.client.recharge({ ...named(userId), points: 6n })).toMatchObject({
      replayed: false,
    });
  });

  test("of a request that made no entry is taken, and no sequence is named", async () => {
    const userId = "receipt";
    await server.client.recharge({ userId, points: 5n });
    await expireDue(userId);
    const refusal = await refusalOf(server.client.consume({ ...named(userId), cost: points(1n) }));
    expect(refusal).toMatchObject({
      code: "AlreadyExists",
      reason: "REQUEST_ID_REUSED",
      metadata: { request_id: REQUEST_ID },
    });
    expect(refusal.metadata).not.toHaveProperty("sequence");
  });
});

function named(userId: string) {
  return { userId, requestId: REQUEST_ID, metadata: METADATA };
}

function points(value: bigint) {
  return { case: "points", value } as const;
}

function lot(value: bigint) {
  return { case: "lot", value } as const;
}

function due() {
  return { case: "due", value: true } as const;
}

function expireDue(userId: string): Promise<ExpireResponse> {
  return server.client.expire({ ...named(userId), target: due() });
}

/** The three answers have the same fields, so one schema writes them all. */
function bytesOf(answer: Answer): string {
  const message = { ...answer, $typeName: ConsumeResponseSchema.typeName, replayed: false };
  return Buffer.from(toBinary(ConsumeResponseSchema, message)).toString("hex");
}

/** An instant a number of microseconds from now, by the database's clock. */
async function databaseMicros(later: bigint): Promise<bigint> {
  const [row] = await database.query(
    "select (extract(epoch from clock_timestamp()) * 1000000)::bigint as micros",
  );
  return BigInt(row!["micros"] as string) + later;
}

/** Waits until time has taken all but `rest` of an account's points, without touching it. */
async function emptied(userId: string, rest = 0n): Promise<void> {
  const sql = `select coalesce(sum(remaining), 0) as rest from points.open_lot
    where user_id = $1 and (expire_time is null or expire_time > clock_timestamp())`;
  for (;;) {
    const [row] = await database.query(sql, [userId]);
    if (BigInt(row!["rest"] as string) === rest) return;
  }
}
