import type * as http2 from "node:http2";
import { gzipSync } from "node:zlib";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HealthCheckRequestSchema } from "../../gen/grpc/health/v1/health_pb.ts";
import {
  ApplyBatchRequestSchema,
  ConsumeRequestSchema,
  GetEntryRequestSchema,
  ListEntriesRequestSchema,
  PointsService,
  QuoteRequestSchema,
  RechargeRequestSchema,
} from "../../gen/points/v1/points_pb.ts";
import { NOBODY } from "../../src/auth/caller.ts";
import { UnaryCall } from "../../src/transport/unary-call.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { exchange, type Exchange, type ExchangeAnswer } from "../support/exchange.ts";
import { holdLock } from "../support/held-lock.ts";
import { envelope } from "../support/raw-call.ts";
import { bySequence, points, use } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { clientOf, fastPathCalls, viaConnect, withQuery } from "../support/via-connect.ts";

// A server answers a call by the fast path, and the same call with a query by Connect's adapter. The
// same bytes must bring the same answer. A call that would change something is a repeat, whose answer
// is the same each time, or a refusal.

const ENVIRONMENT = { MESSAGE_MAX_BYTES: "2000", LANES: "1" };
const CONSUME = "/points.v1.PointsService/Consume";

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await testDatabase();
  server = await testServer(ENVIRONMENT, database);
  const { client } = server;
  await client.recharge({ userId: "ada", requestId: "r1", points: 1000n });
  await client.consume(CHARGE);
  for (let n = 0; n < 20; n += 1) await client.consume({ userId: "ada", cost: points(1n) });
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

type Call = Omit<Exchange, "headers"> & {
  readonly path?: string;
  /** Added to those that every call has; undefined leaves one of those out. */
  readonly headers?: Record<string, string | undefined>;
};

/** The answer to a call, which must be the same with a query, by which Connect answers it. */
async function same(call: Call, way: "fast" | "Connect"): Promise<ExchangeAnswer> {
  const { path = CONSUME } = call;
  const before = await fastPathCalls(server);
  const plain = await raw({ ...call, path });
  expect((await fastPathCalls(server)) - before).toBe(way === "fast" ? 1 : 0);
  const queried = await raw({ ...call, path: withQuery(path) });
  expect((await fastPathCalls(server)) - before).toBe(way === "fast" ? 1 : 0);
  expect(plain).toEqual(queried);
  return plain;
}

function raw({ path, headers = {}, ...call }: Call) {
  const usual: http2.OutgoingHttpHeaders = {
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  };
  const given = Object.entries(usual).filter(([, value]) => value !== undefined);
  return exchange(server.port, { ...call, headers: Object.fromEntries(given) });
}

function framed<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>) {
  return envelope(toBinary(schema, create(schema, init)));
}

function rpc(name: string) {
  return `/points.v1.PointsService/${name}`;
}

const CHARGE = {
  userId: "ada",
  requestId: "c1",
  metadata: { job: "script", tenant: "ä 🙂" },
  cost: points(5n),
};
const charge = framed(ConsumeRequestSchema, CHARGE);

function consuming(change: MessageInitShape<typeof ConsumeRequestSchema>) {
  return [framed(ConsumeRequestSchema, { ...CHARGE, ...change })];
}

describe("an answer is the same", () => {
  const requests: [string, string, Uint8Array][] = [
    ["a repeated charge", CONSUME, charge],
    ["Health/Check", "/grpc.health.v1.Health/Check", framed(HealthCheckRequestSchema, {})],
    ["Health/List", "/grpc.health.v1.Health/List", envelope(new Uint8Array())],
    ["GetPriceList", rpc("GetPriceList"), envelope(new Uint8Array())],
    ["Quote", rpc("Quote"), framed(QuoteRequestSchema, { usage: { service: "script" } })],
    [
      "GetEntry",
      rpc("GetEntry"),
      framed(GetEntryRequestSchema, { userId: "ada", by: bySequence(2n) }),
    ],
    [
      "a repeated recharge",
      rpc("Recharge"),
      framed(RechargeRequestSchema, { userId: "ada", requestId: "r1", points: 1000n }),
    ],
    [
      "ApplyBatch",
      rpc("ApplyBatch"),
      framed(ApplyBatchRequestSchema, {
        operations: [
          { operation: { case: "consume", value: CHARGE } },
          { operation: { case: undefined } },
        ],
      }),
    ],
    [
      "ListEntries, of more than a kilobyte",
      rpc("ListEntries"),
      framed(ListEntriesRequestSchema, { userId: "ada" }),
    ],
  ];
  const accepted = [undefined, "identity", "gzip", "identity,deflate,gzip", "br;q=1, br", "zstd"];
  const cases = requests.flatMap((request) =>
    accepted.map((accept) => [request[0], accept, request] as const),
  );
  test.each(cases)("to %s, for a client that accepts %s", async (_, accept, [, path, message]) => {
    const headers = { "grpc-accept-encoding": accept };
    const answer = await same({ path, headers, chunks: [message] }, "fast");
    expect(answer.trailers).toEqual({ "grpc-status": "0" });
    expect(answer.body.length).toBeGreaterThan(10);
  });

  test("to a message in many small frames, some of them empty", async () => {
    const chunks = Array.from(charge, (byte) => Uint8Array.of(byte));
    chunks.splice(3, 0, new Uint8Array(), new Uint8Array());
    const answer = await same({ chunks, pauseMs: 0 }, "fast");
    expect(answer.trailers).toEqual({ "grpc-status": "0" });
  });

  test("to a call with trailers of its own", async () => {
    const answer = await same({ chunks: [charge], trailers: { "x-more": "1" } }, "fast");
    expect(answer.trailers).toEqual({ "grpc-status": "0" });
  });

  test.each(["run%2Fpoints.sock", "%2Frun%2Fpoints.sock", "localhost", "[::1]:50051"])(
    "for a client that calls the server %s",
    async (authority) => {
      const answer = await same({ headers: { ":authority": authority }, chunks: [charge] }, "fast");
      expect(answer.trailers).toEqual({ "grpc-status": "0" });
    },
  );

  test("to a message with a field twice, of which the last counts", async () => {
    const twice = Buffer.concat([charge.subarray(5), charge.subarray(5)]);
    const answer = await same({ chunks: [envelope(twice)] }, "fast");
    expect(answer.trailers).toEqual({ "grpc-status": "0" });
  });

  test("to a flag that means nothing", async () => {
    const answer = await same({ chunks: [envelope(charge.subarray(5), 2)] }, "fast");
    expect(answer.trailers).toEqual({ "grpc-status": "0" });
  });

  test.each(["1H", "99999999H", "5S", "60000m", "999999u", "99999999n"])(
    "for a deadline of %s",
    async (timeout) => {
      const call = { headers: { "grpc-timeout": timeout }, chunks: [charge] };
      expect((await same(call, "fast")).trailers).toEqual({ "grpc-status": "0" });
    },
  );
});

describe("an error is the same", () => {
  const header = (flags: number, length: number) => {
    const head = Buffer.alloc(5);
    head[0] = flags;
    head.writeUInt32BE(length, 1);
    return head;
  };
  const cases: [title: string, status: string, call: Call][] = [
    ["a field that breaks its limit", "3", { chunks: consuming({ userId: "a b" }) }],
    [
      "several of them",
      "3",
      { chunks: consuming({ userId: "", requestId: "ü", cost: points(0n) }) },
    ],
    ["nothing to pay", "3", { chunks: consuming({ cost: { case: undefined } }) }],
    ["long metadata", "3", { chunks: consuming({ metadata: { a: "x".repeat(300) } }) }],
    ["no account", "5", { chunks: consuming({ userId: "nobody" }) }],
    [
      "no such service",
      "5",
      { chunks: consuming({ requestId: "", cost: use({ service: "nothing" }) }) },
    ],
    ["too few points", "9", { chunks: consuming({ requestId: "", cost: points(10n ** 9n) }) }],
    ["a request id used before", "6", { chunks: consuming({ cost: points(6n) }) }],
    [
      "a usage without its quantity",
      "3",
      { chunks: consuming({ requestId: "", cost: use({ service: "tts" }) }) },
    ],
    ["a message too large", "8", { chunks: consuming({ metadata: { a: "x".repeat(5_000) } }) }],
    ["a length too large", "8", { chunks: [header(0, 2_001), new Uint8Array(10)] }],
    ["the largest length there is", "8", { chunks: [header(0, 2 ** 32 - 1)] }],
    ["no body", "12", { chunks: [] }],
    ["a cut head", "3", { chunks: [charge.subarray(0, 3)] }],
    ["a cut message", "3", { chunks: [charge.subarray(0, 20)] }],
    ["a length too small", "8", { chunks: [header(0, 10), charge.subarray(5)] }],
    ["two messages", "12", { chunks: [charge, charge] }],
    ["two messages in one frame", "12", { chunks: [Buffer.concat([charge, charge])] }],
    ["a message and half a head", "3", { chunks: [charge, charge.subarray(0, 2)] }],
    ["the flag of compression", "13", { chunks: [envelope(gzipSync(charge.subarray(5)), 1)] }],
    [
      "an id used again with unknown fields",
      "6",
      {
        chunks: [envelope(Buffer.concat([charge.subarray(5), Buffer.from("f80701", "hex")]))],
      },
    ],
    ["bytes that are no message", "3", { chunks: [envelope(Buffer.from("ffffffffff", "hex"))] }],
    ["bad UTF-8", "3", { chunks: [envelope(Buffer.from("0a02c328", "hex"))] }],
    ["a NUL in a user id", "3", { chunks: [envelope(Buffer.from("0a0161001203622063", "hex"))] }],
    [
      "an unknown health service",
      "5",
      {
        path: "/grpc.health.v1.Health/Check",
        chunks: [framed(HealthCheckRequestSchema, { service: "nobody" })],
      },
    ],
    ["a deadline of nothing", "4", { headers: { "grpc-timeout": "0m" }, chunks: [charge] }],
  ];
  test.each(cases)("%s: %s", async (_, status, call) => {
    const answer = await same(call, "fast");
    // Trailers-Only: a client takes headers that come first for a call under way, and does not retry.
    expect(answer).toMatchObject({ headers: { "grpc-status": status }, body: "", trailers: {} });
  });
});

describe("Connect answers", () => {
  const cases: [title: string, call: Call][] = [
    ["GET", { headers: { ":method": "GET" }, chunks: [] }],
    ["JSON", { headers: { "content-type": "application/json" }, chunks: [Buffer.from("{}")] }],
    ["gRPC-Web", { headers: { "content-type": "application/grpc-web+proto" }, chunks: [charge] }],
    ["gRPC of JSON", { headers: { "content-type": "application/grpc+json" }, chunks: [charge] }],
    ["no content type", { headers: { "content-type": undefined }, chunks: [charge] }],
    ["a charset", { headers: { "content-type": "application/grpc;charset=a" }, chunks: [charge] }],
    [
      "gzip",
      {
        headers: { "grpc-encoding": "gzip" },
        chunks: [envelope(gzipSync(charge.subarray(5)), 1)],
      },
    ],
    ["an unknown encoding", { headers: { "grpc-encoding": "zstd" }, chunks: [charge] }],
    ["an unknown RPC", { path: rpc("Steal"), chunks: [charge] }],
    ["an unknown service", { path: "/points.v1.Other/Consume", chunks: [charge] }],
    ["a query behind the path", { path: `${CONSUME}?a=1`, chunks: [charge] }],
    ["an odd authority", { headers: { ":authority": "a:b" }, chunks: [charge] }],
    ["a page's authority", { headers: { ":authority": "evil.example" }, chunks: [charge] }],
    ["a page's origin", { headers: { origin: "http://evil.example" }, chunks: [charge] }],
    ["a malformed deadline", { headers: { "grpc-timeout": "1x" }, chunks: [charge] }],
    ["a deadline of nine digits", { headers: { "grpc-timeout": "100000000n" }, chunks: [charge] }],
  ];
  test.each(cases)("%s", async (_, call) => {
    await same(call, "Connect");
  });
});

test("the rest of a deadline is a whole number of milliseconds, as in Connect", () => {
  const head = { ":path": CONSUME };
  const left = [0.25, 1.5, 999.999].map((ms) => {
    const deadline = performance.now() + ms;
    const { method } = PointsService;
    return new UnaryCall({} as never, head, {
      method: method.consume,
      caller: NOBODY,
      deadline,
    }).timeoutMs();
  });
  expect(left.every((ms) => Number.isInteger(ms))).toBe(true);
});

test("when a caller goes away, its queued calls are dropped, and those under way are committed", async () => {
  const added: bigint[] = [];
  for (const client of [server.client, clientOf(server, [viaConnect])]) {
    const before = await sequence();
    const lock = await holdLock(database, "ada");
    const caller = new AbortController();
    const call = () => client.consume({ userId: "ada", cost: points(1n) }, caller);
    const calls = [call()];
    await lock.awaited();
    calls.push(call(), call());
    // Calls of one connection arrive in order: when this one is answered, those are queued.
    await client.quote({ usage: { service: "script" } });
    caller.abort();
    const ends = await Promise.allSettled(calls);
    expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await client.quote({ usage: { service: "script" } });
    await lock.release();
    await client.getOrCreate({ userId: "ada" });
    added.push((await sequence()) - before);
  }
  expect(added).toEqual([1n, 1n]);
});

async function sequence(): Promise<bigint> {
  const [row] = await database.query("select sequence from points.account where user_id = 'ada'");
  return BigInt(row!["sequence"] as string);
}
