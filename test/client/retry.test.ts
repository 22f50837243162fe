import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import {
  ApplyBatchRequestSchema,
  type ConsumeRequest,
  ConsumeRequestSchema,
  createPointsClient,
  refusalOf,
  requestIdsOf,
  type RetryLimits,
} from "../../src/client/client.ts";
import { tokenOf, writeCallers } from "../support/callers.ts";
import { holdLock } from "../support/held-lock.ts";
import { WAIT_MS } from "../support/patience.ts";
import { temporaryFolder } from "../support/processes.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

// A real server behind a line that loses answers: the server applies the call, and the caller gets
// the error of an unreachable server.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const QUICK = { backoffMs: 1 };

let server: TestServer;
/** All requests as they were sent, retries included. */
let sent: unknown[];

beforeAll(async () => {
  server = await testServer();
});
afterAll(async () => {
  await server.stop();
});
beforeEach(() => {
  sent = [];
});

/** A client that loses its first answers. */
function clientThatLoses(
  answers: number,
  error: Omit<ConnectError, never> = new ConnectError("lost", Code.Unavailable),
  limits: Partial<RetryLimits> = QUICK,
  baseUrl = server.baseUrl,
  token?: string,
) {
  const lossy: Interceptor = (next) => async (request) => {
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    sent.push(request.message);
    const answer = await next(request);
    if (sent.length <= answers) throw error;
    return answer;
  };
  return createPointsClient(createGrpcTransport({ baseUrl, interceptors: [lossy] }), limits);
}

test("a mutation whose answer is lost is retried with its generated id, and applied once", async () => {
  await server.client.recharge({ userId: "ada", points: 100n });
  const client = clientThatLoses(2);
  const { replayed, account, entry } = await client.consume({ userId: "ada", cost: points(30n) });
  expect({ replayed, balance: account?.balance, sequence: entry?.sequence }).toEqual({
    replayed: true,
    balance: 70n,
    sequence: 2n,
  });
  const ids = (sent as ConsumeRequest[]).map(({ requestId }) => requestId);
  expect(ids).toHaveLength(3);
  expect(new Set(ids)).toEqual(new Set([entry?.requestId]));
  expect(ids[0]).toMatch(UUID);
});

test("each call gets its own id; the caller's id and message stay as they are", async () => {
  await server.client.recharge({ userId: "eve", points: 100n });
  const client = clientThatLoses(0);
  const request = create(ConsumeRequestSchema, { userId: "eve", cost: points(1n) });
  const first = await client.consume(request);
  const second = await client.consume(request);
  expect(request.requestId).toBe("");
  expect(first.entry?.requestId).not.toBe(second.entry?.requestId);
  const { entry } = await client.consume({ ...request, requestId: "mine" });
  expect(entry?.requestId).toBe("mine");
});

test("each operation of a batch gets an id", async () => {
  const client = clientThatLoses(1);
  const request = create(ApplyBatchRequestSchema, {
    operations: [
      { operation: { case: "recharge", value: { userId: "bob", points: 10n } } },
      { operation: { case: "consume", value: { userId: "bob", cost: points(4n) } } },
      {
        operation: {
          case: "consume",
          value: { userId: "bob", requestId: "mine", cost: points(5n) },
        },
      },
    ],
  });
  const { results } = await client.applyBatch(request);
  const answers = results.map(({ result }) => {
    if (result.case === "error" || result.case === undefined) throw new Error("refused");
    return result.value;
  });
  expect(answers.map(({ replayed }) => replayed)).toEqual([true, true, true]);
  expect(answers.map(({ entry }) => entry?.requestId)).toEqual([
    expect.stringMatching(UUID),
    expect.stringMatching(UUID),
    "mine",
  ]);
  expect(request.operations.map(({ operation }) => operation.value?.requestId)).toEqual([
    "",
    "",
    "mine",
  ]);
});

test("an unreachable server is tried attemptsMax times", async () => {
  const gone = await testServer({}, server.database);
  await gone.stop();
  const client = clientThatLoses(0, undefined, { backoffMs: 1, attemptsMax: 3 }, gone.baseUrl);
  await expect(client.getOrCreate({ userId: "ada" })).rejects.toMatchObject({
    code: Code.Unavailable,
  });
  expect(sent).toHaveLength(3);
});

test("a refusal is not retried", async () => {
  const client = clientThatLoses(0);
  const call = client.consume({ userId: "ada", cost: points(1_000_000n) });
  await expect(call).rejects.toMatchObject({ code: Code.FailedPrecondition });
  expect(sent).toHaveLength(1);
});

describe("a wait that the server asks for", () => {
  const later = (seconds: bigint, nanos = 0, pushedBack?: string) => {
    const error = pushedBack === undefined ? away() : pushback(pushedBack);
    error.details = [{ desc: RetryInfoSchema, value: { retryDelay: { seconds, nanos } } }];
    return error;
  };
  const away = () => new ConnectError("later", Code.Unavailable);
  const pushback = (text: string) => {
    const error = away();
    error.metadata.set("grpc-retry-pushback-ms", text);
    return error;
  };

  test.for<[string, ConnectError, { timeoutMs?: number }]>([
    ["would pass the deadline", later(600n), { timeoutMs: WAIT_MS }],
    ["would pass the deadline by its pushback", pushback("600000"), { timeoutMs: WAIT_MS }],
    ["is an hour, and there is no deadline", later(3_600n), {}],
    ["is an hour by its pushback, and there is no deadline", pushback("3600000"), {}],
    ["is for ever: a pushback of -1", pushback("-1"), {}],
    ["is a pushback that cannot be read", pushback("soon"), {}],
  ])("isn't begun if it %s", async ([, error, options]) => {
    const call = clientThatLoses(9, error).getOrCreate({ userId: "ada" }, options);
    await expect(call).rejects.toMatchObject({ rawMessage: "later" });
    expect(sent).toHaveLength(1);
  });

  test.for<[string, ConnectError, Partial<RetryLimits>]>([
    ["RetryInfo, on top of its own", later(0n, 300_000_000), QUICK],
    ["a pushback, instead of its own", pushback("300"), { backoffMs: 600_000 }],
    ["a pushback, and not RetryInfo", later(600n, 0, "300"), QUICK],
  ])("is waited for: %s", async ([, error, limits]) => {
    const startMs = performance.now();
    await clientThatLoses(1, error, limits).getOrCreate({ userId: "ada" });
    expect(performance.now() - startMs).toBeGreaterThan(298);
    expect(sent).toHaveLength(2);
  });
});

describe("an overloaded server is tried again:", () => {
  test("OVERLOADED", async () => {
    const full = await testServer({ QUEUE_MAX_OPS: "1", LANES: "1" });
    onTestFinished(() => full.stop());
    await full.client.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(full.database, "ada");
    const wait = () => full.client.consume({ userId: "ada", cost: points(1n) });
    const waiting = [wait()];
    await lock.awaited();
    waiting.push(wait());
    await expect.poll(() => full.metrics()).toContain("points_queue_operations 1\n");

    const client = clientThatLoses(0, undefined, { attemptsMax: 1_000 }, full.baseUrl);
    const call = client.consume({ userId: "ada", cost: points(30n) });
    await expect.poll(() => sent.length).toBeGreaterThan(1);
    await lock.release();
    await Promise.all(waiting);
    expect(await call).toMatchObject({ account: { balance: 68n } });
  });

  test("RATE_LIMITED", async () => {
    const callers = { one: { scopes: ["points.read"] } };
    const environment = await writeCallers(await temporaryFolder(), callers);
    const limited = await testServer({ ...environment, CALLER_MAX_PER_SECOND: "1" });
    onTestFinished(() => limited.stop());
    const limits = { attemptsMax: 1_000 };
    const client = clientThatLoses(0, undefined, limits, limited.baseUrl, tokenOf("one"));
    await Promise.all([1, 2, 3, 4].map(() => client.getPriceList({})));
    expect(sent.length).toBeGreaterThan(4);
  });
});

test("a request that is too large is sent once", async () => {
  const small = await testServer({ MESSAGE_MAX_BYTES: "1024" }, server.database);
  onTestFinished(() => small.stop());
  const operations = Array.from({ length: 100 }, () => ({
    operation: { case: "recharge", value: { userId: "ada", points: 1n } } as const,
  }));
  const call = clientThatLoses(0, undefined, QUICK, small.baseUrl).applyBatch({ operations });
  expect(refusalOf(await call.catch((error: unknown) => error))).toMatchObject({
    reason: "MESSAGE_TOO_LARGE",
  });
  expect(sent).toHaveLength(1);
});

test("an abort during a backoff ends the call at once, without another attempt", async () => {
  const away = new AbortController();
  const limits = { backoffMs: 600_000, backoffMaxMs: 600_000 };
  const client = clientThatLoses(9, undefined, limits);
  const call = client.getOrCreate({ userId: "ada" }, { signal: away.signal });
  call.catch(() => {});
  await expect.poll(() => sent).toHaveLength(1);
  away.abort();
  await expect(call).rejects.toMatchObject({ code: Code.Canceled });
  expect(sent.length).toBeLessThanOrEqual(2);
});

test("an abort during a call ends it without another attempt", async () => {
  await server.client.recharge({ userId: "held", points: 100n });
  const lock = await holdLock(server.database, "held");
  onTestFinished(() => lock.release());
  const away = new AbortController();
  const client = clientThatLoses(0);
  const call = client.consume({ userId: "held", cost: points(1n) }, { signal: away.signal });
  call.catch(() => {});
  await lock.awaited();
  away.abort();
  await expect(call).rejects.toMatchObject({ code: Code.Canceled });
  expect(sent).toHaveLength(1);
});

test("requestIdsOf returns the generated id for an answer and for an error", async () => {
  const client = clientThatLoses(0);
  const answer = await client.recharge({ userId: "idy", points: 5n });
  expect(requestIdsOf(answer)).toEqual([answer.entry?.requestId]);
  const error = await client.consume({ userId: "idy", cost: points(9n) }).catch((thrown) => thrown);
  expect(requestIdsOf(error)).toEqual([(sent.at(-1) as ConsumeRequest).requestId]);
  expect(requestIdsOf(await client.listLots({ userId: "idy" }))).toEqual([]);
  expect(requestIdsOf(new Error("of somebody else"))).toEqual([]);
  expect(requestIdsOf(undefined)).toEqual([]);
});

// A timer of 2^31 ms or more fires at once. gRPC sends a timeout in eight digits.
test.for([2 ** 31 - 1, 2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY, 30_000.5])(
  "a deadline of %s ms does not pass at once",
  async (timeoutMs) => {
    const client = clientThatLoses(1);
    const { account } = await client.getOrCreate({ userId: "pat" }, { timeoutMs });
    expect(account?.userId).toBe("pat");
    const watched = client.watchAccount({ userId: "pat" }, { timeoutMs })[Symbol.asyncIterator]();
    expect((await watched.next()).value).toMatchObject({ account: { userId: "pat" } });
    await watched.return?.();
  },
);

test("each attempt is sent the time that is left of the deadline", async () => {
  const left: (number | undefined)[] = [];
  const client = createPointsClient(
    {
      ...server.transport,
      async unary(method, signal, timeoutMs, header, input, values) {
        left.push(timeoutMs);
        if (left.length < 3) throw new ConnectError("away", Code.Unavailable);
        return server.transport.unary(method, signal, timeoutMs, header, input, values);
      },
    },
    { backoffMs: 5 },
  );
  await client.getOrCreate({ userId: "ada" }, { timeoutMs: 50_000 });
  expect(left[0]).toBe(50_000);
  expect(left[1]!).toBeLessThanOrEqual(left[0]!);
  expect(left[2]!).toBeLessThan(left[0]!);
});
