import { readFile } from "node:fs/promises";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  type ConsumeRequestSchema,
  createPointsClient,
  PointsService,
  type Refusal,
  refusalOf,
  requestIdsOf,
} from "../../src/client/client.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { http2Line } from "../support/breaking-line.ts";
import { writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { holdLock } from "../support/held-lock.ts";
import { WAIT_MS } from "../support/patience.ts";
import { temporaryFolder } from "../support/processes.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

// One request id, several attempts: a server applies the first and its answer is lost. Servers of the
// same ledger then refuse the later attempts, each in its own way.

let database: TestDatabase;
let good: TestServer;
/** A server that cannot reach its database. */
let cutOff: TestServer;

beforeAll(async () => {
  database = await testDatabase();
  good = await testServer({}, database);
  const orm = await openOrm("postgresql://points@127.0.0.1:1/points", 2);
  cutOff = await testServer({}, { ...database, orm });
});
afterAll(async () => {
  await Promise.all([good.stop(), cutOff.stop()]);
  await database.close();
});

const userId = "ada";
let balance: bigint;
beforeEach(async () => {
  balance = (await good.client.recharge({ userId, points: 100n })).account!.balance;
});

/** The server applies the call, and its answer is lost. */
const losing = (server: TestServer) => ({ server, isLost: true }) as const;
type Attempt = TestServer | ReturnType<typeof losing>;

/** A client whose attempts go to these servers in order, and all further ones to the last. */
function clientOf(...attempts: Attempt[]) {
  let tried = 0;
  const transport: Transport = {
    ...good.transport,
    async unary(...args) {
      const attempt = attempts[Math.min(tried++, attempts.length - 1)]!;
      if (!("isLost" in attempt)) return attempt.transport.unary(...args);
      await attempt.server.transport.unary(...args);
      throw new ConnectError("read ECONNRESET", Code.Aborted);
    },
  };
  return createPointsClient(transport, { backoffMs: 1 });
}

async function thrownBy(call: Promise<unknown>): Promise<{ error: unknown; refusal: Refusal }> {
  const error = await call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (thrown: unknown) => thrown,
  );
  return { error, refusal: refusalOf(error)! };
}

describe("a call whose first attempt was applied, and its answer lost:", () => {
  const elsewhere: [reason: string, start: () => Promise<TestServer>][] = [
    ["DATABASE_UNAVAILABLE", () => Promise.resolve(cutOff)],
    ["UNAUTHENTICATED", strictServer],
    ["OVERLOADED", fullServer],
  ];

  test.for(elsewhere)("%s is UNKNOWN, and its request id finds out", async ([reason, start]) => {
    const client = clientOf(losing(good), await start());
    const { error, refusal } = await thrownBy(client.consume({ userId, cost: points(30n) }));
    expect(refusal).toMatchObject({ reason, outcome: "UNKNOWN", repeatsChecked: false });

    const [requestId] = requestIdsOf(error);
    const answer = await good.client.consume({ userId, requestId: requestId!, cost: points(30n) });
    expect(answer).toMatchObject({ replayed: true, account: { balance: balance - 30n } });
  });

  test("a late answer equals the first", async () => {
    const answer = await clientOf(losing(good), cutOff, good).consume({ userId, cost: points(7n) });
    expect(answer).toMatchObject({ replayed: true, account: { balance: balance - 7n } });
    expect(requestIdsOf(answer)).toEqual([answer.entry!.requestId]);
  });
});

test("NOT_APPLIED stays where every attempt was refused", async () => {
  const { refusal } = await thrownBy(clientOf(cutOff).consume({ userId, cost: points(30n) }));
  expect(refusal).toMatchObject({ reason: "DATABASE_UNAVAILABLE", outcome: "NOT_APPLIED" });
});

test("a refusal is final if the server looked for an earlier answer", async () => {
  const lost: Transport["unary"] = () => {
    throw new ConnectError("read ECONNRESET", Code.Aborted);
  };
  let tried = 0;
  const unary: Transport["unary"] = (...args) =>
    tried++ === 0 ? lost(...args) : good.transport.unary(...args);
  const client = createPointsClient({ ...good.transport, unary }, { backoffMs: 1 });
  const { refusal } = await thrownBy(client.consume({ userId, cost: points(1_000_000n) }));
  expect(refusal).toMatchObject({
    reason: "INSUFFICIENT_POINTS",
    outcome: "NOT_APPLIED",
    repeatsChecked: true,
  });
});

test("each operation of a batch has its own outcome, and an id that requestIdsOf returns", async () => {
  const request = {
    operations: [30n, 1_000_000n].map((value) => ({
      operation: { case: "consume", value: { userId, cost: points(value) } } as const,
    })),
  };
  const refused = await clientOf(losing(good), cutOff).applyBatch(request);
  const outcomes = refused.results.map(({ result }) => refusalOf(result.value)?.outcome);
  expect(outcomes).toEqual(["UNKNOWN", "UNKNOWN"]);
  const ids = requestIdsOf(refused);
  expect(ids).toHaveLength(2);

  const named = request.operations.map(({ operation }, index) => ({
    operation: { ...operation, value: { ...operation.value, requestId: ids[index]! } },
  }));
  const { results } = await clientOf(losing(good), good).applyBatch({ operations: named });
  expect(results[0]?.result.value).toMatchObject({ replayed: true });
  expect(refusalOf(results[1]?.result.value)).toMatchObject({
    reason: "INSUFFICIENT_POINTS",
    outcome: "NOT_APPLIED",
    repeatsChecked: true,
  });
});

test("a read is never UNKNOWN", async () => {
  const { error, refusal } = await thrownBy(clientOf(losing(good), cutOff).listLots({ userId }));
  expect(refusal).toMatchObject({ reason: "DATABASE_UNAVAILABLE", outcome: "NOT_APPLIED" });
  expect(requestIdsOf(error)).toEqual([]);
});

// Such libraries tell the application nothing of earlier attempts, but they tell the server.
describe("a gRPC library that retries by the service config", () => {
  const lost = ({ socket }: { socket: { resetAndDestroy(): void } }) => socket.resetAndDestroy();

  async function outcomeThrough(
    request: MessageInitShape<typeof ConsumeRequestSchema>,
    second: TestServer,
  ) {
    const line = await http2Line({ to: good.baseUrl, breaks: lost }, { to: second.baseUrl });
    const client = new grpc.Client(new URL(line.baseUrl).host, grpc.credentials.createInsecure(), {
      "grpc.service_config": await readFile("proto/points/v1/service_config.json", "utf8"),
    });
    onTestFinished(() => client.close());
    const { input, output } = PointsService.method.consume;
    const error = await new Promise<grpc.ServiceError>((refused, answered) => {
      client.makeUnaryRequest(
        `/${PointsService.typeName}/Consume`,
        (message: Uint8Array) => Buffer.from(message),
        (bytes) => fromBinary(output, bytes),
        toBinary(input, create(input, request)),
        { deadline: Date.now() + WAIT_MS },
        (thrown) => (thrown === null ? answered(new Error("the call succeeded")) : refused(thrown)),
      );
    });
    const [bytes] = error.metadata.get("grpc-status-details-bin");
    const status = fromBinary(StatusSchema, bytes as Buffer);
    const info = anyUnpack(status.details[0]!, ErrorInfoSchema);
    return { reason: info?.reason, metadata: info?.metadata, requests: line.requests() };
  }

  test("is told UNKNOWN if no server looked for an earlier answer", async () => {
    const request = { userId, requestId: crypto.randomUUID(), cost: points(3n) };
    expect(await outcomeThrough(request, cutOff)).toEqual({
      reason: "DATABASE_UNAVAILABLE",
      metadata: { outcome: "UNKNOWN" },
      requests: 5,
    });
  });

  test("is told NOT_APPLIED if the server looked for an earlier answer", async () => {
    const request = { userId, requestId: crypto.randomUUID(), cost: points(1_000_000n) };
    expect(await outcomeThrough(request, good)).toMatchObject({
      reason: "INSUFFICIENT_POINTS",
      metadata: { outcome: "NOT_APPLIED", repeats_checked: "true" },
      requests: 2,
    });
  });

  test("is told UNKNOWN for a request without an id", async () => {
    const request = { userId, cost: points(1_000_000n) };
    const { reason, metadata } = await outcomeThrough(request, good);
    expect(reason).toBe("INSUFFICIENT_POINTS");
    expect(metadata).toMatchObject({ outcome: "UNKNOWN" });
    expect(metadata).not.toHaveProperty("repeats_checked");
  });

  test("does not retry a request that is too large", async () => {
    const small = await testServer({ MESSAGE_MAX_BYTES: "1024" }, database);
    onTestFinished(() => small.stop());
    const metadata = Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [`key-${index}`, "x".repeat(200)]),
    );
    const request = { userId, requestId: crypto.randomUUID(), cost: points(1n), metadata };
    expect(await outcomeThrough(request, small)).toEqual({
      reason: "MESSAGE_TOO_LARGE",
      metadata: { outcome: "UNKNOWN" },
      requests: 2,
    });
  });
});

/** A server that requires a token. */
async function strictServer(): Promise<TestServer> {
  const callers = { other: { scopes: ["points.spend"] } };
  const server = await testServer(await writeCallers(await temporaryFolder(), callers), database);
  onTestFinished(() => server.stop());
  return server;
}

/** A server whose queue is full, because another session locks an account. */
async function fullServer(): Promise<TestServer> {
  const server = await testServer({ QUEUE_MAX_OPS: "1", LANES: "1" }, database);
  await good.client.getOrCreate({ userId: "locked" });
  const lock = await holdLock(database, "locked");
  const wait = () => server.client.consume({ userId: "locked", cost: points(1n) }).catch(() => {});
  const waiting = [wait()];
  onTestFinished(async () => {
    await lock.release();
    await Promise.all(waiting);
    await server.stop();
  });
  await lock.awaited();
  waiting.push(wait());
  await expect.poll(() => server.metrics()).toMatch(/queue_operations\S* 1\n/);
  return server;
}
