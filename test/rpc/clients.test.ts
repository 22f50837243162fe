import { execFile } from "node:child_process";
import { promisify } from "node:util";
import {
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  create,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  ConsumeResponseSchema,
  ExpireResponseSchema,
  GetOrCreateResponseSchema,
  PointsService,
  RechargeResponseSchema,
} from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../support/error-info.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

/** Calls one RPC with a message in JSON, and gives the answer in JSON. */
type Call = (method: string, request: Record<string, unknown>) => Promise<unknown>;

/** One account's life, in the JSON of protobuf: what every client must be able to live. */
async function liveALife(userId: string, call: Call): Promise<void> {
  expect(await call("GetOrCreate", { userId })).toMatchObject({
    account: { userId },
    created: true,
  });
  const recharge = {
    userId,
    requestId: "r1",
    points: "9007199254",
    ttl: "3600s",
    priority: 7,
    metadata: { order: "ä 17" },
  };
  expect(await call("Recharge", recharge)).toMatchObject({
    entry: {
      sequence: "1",
      kind: "ENTRY_KIND_RECHARGE",
      points: "9007199254",
      allocations: [{ lot: "1", points: "9007199254" }],
      requestId: "r1",
      metadata: { order: "ä 17" },
      balanceAfter: "9007199254",
      priority: 7,
      expireTime: expect.stringMatching(/^\d{4}-.*Z$/),
      hash: expect.stringMatching(/^[\w+/]{43}=$/),
    },
    account: { userId, balance: "9007199254", totalRecharged: "9007199254" },
  });
  expect(await call("Consume", { userId, requestId: "c1", points: "254" })).toMatchObject({
    entry: {
      sequence: "2",
      kind: "ENTRY_KIND_CONSUME",
      points: "254",
      allocations: [{ lot: "1", points: "254" }],
      balanceAfter: "9007199000",
    },
    account: { balance: "9007199000", totalConsumed: "254" },
  });
  const again = await call("Consume", { userId, requestId: "c1", points: "254" });
  expect(again).toMatchObject({ entry: { sequence: "2" }, replayed: true });
  expect(await call("Expire", { userId, lot: "1" })).toMatchObject({
    entry: { sequence: "3", kind: "ENTRY_KIND_EXPIRE", points: "9007199000" },
    account: { sequence: "3", totalExpired: "9007199000" },
  });
  expect(await call("GetOrCreate", { userId })).toMatchObject({
    account: { sequence: "3", totalRecharged: "9007199254" },
  });
}

const TRANSPORTS: [string, (baseUrl: string) => Transport][] = [
  ["gRPC, binary", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC, JSON", (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false })],
  ...(["1.1", "2"] as const).flatMap((httpVersion): typeof TRANSPORTS =>
    [true, false].flatMap((useBinaryFormat): typeof TRANSPORTS => {
      const how = `HTTP/${httpVersion}, ${useBinaryFormat ? "binary" : "JSON"}`;
      const options = { httpVersion, useBinaryFormat };
      return [
        [`gRPC-Web, ${how}`, (baseUrl) => createGrpcWebTransport({ baseUrl, ...options })],
        [`Connect, ${how}`, (baseUrl) => createConnectTransport({ baseUrl, ...options })],
      ];
    }),
  ),
];

describe.each(TRANSPORTS)("a generated client over %s", (name, transportTo) => {
  const userId = name.replaceAll(/[^\w.]+/g, "-");

  test("lives an account's life", async () => {
    const client = createClient(PointsService, transportTo(server.baseUrl));
    const calls: Record<string, (request: Record<string, unknown>) => Promise<unknown>> = {
      GetOrCreate: async (request) =>
        toJson(GetOrCreateResponseSchema, await client.getOrCreate(request)),
      Recharge: async ({ points, ttl, ...request }) =>
        toJson(
          RechargeResponseSchema,
          await client.recharge({
            ...request,
            points: BigInt(String(points)),
            expiration: { case: "ttl", value: { seconds: BigInt(parseInt(String(ttl), 10)) } },
          }),
        ),
      Consume: async ({ points, ...request }) =>
        toJson(
          ConsumeResponseSchema,
          await client.consume({
            ...request,
            cost: { case: "points", value: BigInt(String(points)) },
          }),
        ),
      Expire: async ({ lot, ...request }) =>
        toJson(
          ExpireResponseSchema,
          await client.expire({
            ...request,
            target: { case: "lot", value: BigInt(String(lot)) },
          }),
        ),
    };
    await liveALife(userId, (method, request) => calls[method]!(request));
  });

  test("reads why a call was refused", async () => {
    const client = createClient(PointsService, transportTo(server.baseUrl));
    const cost = { case: "points", value: 5n } as const;
    await client.getOrCreate({ userId: `${userId}-poor` });
    expect(await refusalOf(client.consume({ userId: `${userId}-poor`, cost }))).toMatchObject({
      code: "FailedPrecondition",
      domain: "points.v1",
      reason: "INSUFFICIENT_POINTS",
      outcome: "NOT_APPLIED",
      metadata: { balance: "0", usable: "0", required: "5", shortfall: "5" },
    });
  });
});

describe("@grpc/grpc-js with nothing of Connect's", () => {
  let client: grpc.Client;
  beforeAll(() => {
    client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
  });
  afterAll(() => client.close());

  function call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest<MessageShape<I>, MessageShape<O>>(
        `/${PointsService.typeName}/${method.name}`,
        (message) => Buffer.from(toBinary(method.input, message)),
        (bytes) => fromBinary(method.output, bytes),
        create(method.input, request),
        (error, answer) => (error === null ? resolve(answer!) : reject(error)),
      );
    });
  }
  const { getOrCreate, recharge, consume, expire } = PointsService.method;

  test("lives an account's life", async () => {
    const userId = "grpc-js";
    expect(await call(getOrCreate, { userId })).toMatchObject({ created: true });
    expect(await call(recharge, { userId, requestId: "r1", points: 100n })).toMatchObject({
      entry: { sequence: 1n, points: 100n },
      account: { balance: 100n },
      replayed: false,
    });
    const cost = { case: "points", value: 30n } as const;
    expect(await call(consume, { userId, cost })).toMatchObject({
      entry: { sequence: 2n, allocations: [{ lot: 1n, points: 30n }] },
      account: { balance: 70n, totalConsumed: 30n },
    });
    const target = { case: "points", value: 20n } as const;
    expect(await call(expire, { userId, target })).toMatchObject({
      entry: { sequence: 3n },
      account: { balance: 50n, totalExpired: 20n },
    });
    expect(await call(recharge, { userId, requestId: "r1", points: 100n })).toMatchObject({
      entry: { sequence: 1n },
      account: { balance: 100n },
      replayed: true,
    });
  });

  test("reads why a call was refused, from grpc-status-details-bin", async () => {
    const cost = { case: "points", value: 30n } as const;
    const error = await call(consume, { userId: "grpc-js-nobody", cost }).then(
      () => undefined,
      (reason: grpc.ServiceError) => reason,
    );
    expect(error).toMatchObject({
      code: grpc.status.NOT_FOUND,
      details: "user grpc-js-nobody has no account",
    });
    const [bytes] = error!.metadata.get("grpc-status-details-bin");
    const status = fromBinary(StatusSchema, bytes as Buffer);
    expect(status).toMatchObject({
      code: grpc.status.NOT_FOUND,
      message: "user grpc-js-nobody has no account",
    });
    expect(anyUnpack(status.details[0]!, ErrorInfoSchema)).toMatchObject({
      domain: "points.v1",
      reason: "ACCOUNT_NOT_FOUND",
      metadata: { user_id: "grpc-js-nobody", outcome: "NOT_APPLIED" },
    });
  });

  test("its deadline of an hour is no error", async () => {
    const found = await new Promise<unknown>((resolve, reject) => {
      client.makeUnaryRequest(
        `/${PointsService.typeName}/GetOrCreate`,
        (message: Uint8Array) => Buffer.from(message),
        (bytes) => fromBinary(GetOrCreateResponseSchema, bytes),
        toBinary(getOrCreate.input, create(getOrCreate.input, { userId: "grpc-js-patient" })),
        { deadline: Date.now() + 3_600_000 },
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      );
    });
    expect(found).toMatchObject({ created: true });
  });
});

describe("buf curl, which has the schema by reflection alone", () => {
  const curl = async (method: string, request: unknown) => {
    const url = `${server.baseUrl}/${PointsService.typeName}/${method}`;
    const options = ["--http2-prior-knowledge", "--protocol", "grpc"];
    const { stdout } = await promisify(execFile)(
      "node_modules/.bin/buf",
      ["curl", ...options, "--data", JSON.stringify(request), url],
      { cwd: new URL("../..", import.meta.url) },
    );
    return JSON.parse(stdout) as unknown;
  };

  test("lives an account's life", () => liveALife("buf-curl", curl));

  test("prints why a call was refused", async () => {
    const failed = await curl("Consume", { userId: "buf-curl-nobody", points: 1 }).then(
      () => undefined,
      (reason: { stderr: string }) => reason,
    );
    const printed = JSON.parse(failed!.stderr) as { details: { value: string }[] };
    expect(printed).toMatchObject({
      code: "not_found",
      details: [{ type: "google.rpc.ErrorInfo" }],
    });
    const info = fromBinary(ErrorInfoSchema, base64Decode(printed.details[0]!.value));
    expect(info).toMatchObject({
      reason: "ACCOUNT_NOT_FOUND",
      metadata: { outcome: "NOT_APPLIED" },
    });
  });
});

describe("fetch of JSON over HTTP/1.1", () => {
  const post = async (method: string, request: unknown) => {
    const response = await fetch(`${server.baseUrl}/${PointsService.typeName}/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    return { status: response.status, answer: await response.json() };
  };

  test("lives an account's life", () =>
    liveALife("fetch", async (method, request) => {
      const { status, answer } = await post(method, request);
      expect(status).toBe(200);
      return answer;
    }));

  test("takes points as numbers and as strings, and names in both spellings", async () => {
    const number = await post("Recharge", { user_id: "fetch-numbers", points: 1500 });
    const string = await post("Recharge", { userId: "fetch-numbers", points: "1500" });
    const spent = await post("Consume", { user_id: "fetch-numbers", points: 2999 });
    expect([number, string, spent]).toMatchObject([
      { status: 200, answer: { account: { balance: "1500" } } },
      { status: 200, answer: { account: { balance: "3000" } } },
      { status: 200, answer: { account: { balance: "1" } } },
    ]);
  });

  test("gets zeros and falses written out", async () => {
    const { answer } = await post("GetOrCreate", { userId: "fetch-zeros" });
    const { answer: second } = await post("GetOrCreate", { userId: "fetch-zeros" });
    expect(answer).toMatchObject({
      account: { sequence: "0", balance: "0", totalRecharged: "0" },
      created: true,
    });
    expect(second).toMatchObject({ created: false });
  });

  test("reads why a call was refused", async () => {
    expect(await post("Consume", { userId: "fetch-nobody", points: 1 })).toMatchObject({
      status: 404,
      answer: { code: "not_found", details: [{ type: "google.rpc.ErrorInfo" }] },
    });
  });
});
