import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import {
  ApplyBatchRequestSchema,
  type ConsumeRequest,
  ConsumeRequestSchema,
  createPointsClient,
  type RetryLimits,
} from "../../src/client/client.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

// A real server, on a line that loses answers: what was asked for is done, and the caller is told
// that nobody was there.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const QUICK = { backoffMs: 1 };

let server: TestServer;
/** Each request as it was sent, the repeats among them. */
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

/** A client whose first answers are lost. */
function clientThatLoses(
  answers: number,
  error: Omit<ConnectError, never> = new ConnectError("lost", Code.Unavailable),
  limits: Partial<RetryLimits> = QUICK,
  baseUrl = server.baseUrl,
) {
  const lossy: Interceptor = (next) => async (request) => {
    sent.push(request.message);
    const answer = await next(request);
    if (sent.length <= answers) throw error;
    return answer;
  };
  return createPointsClient(createGrpcTransport({ baseUrl, interceptors: [lossy] }), limits);
}

test("a mutation whose answer is lost is repeated with the id made for it, and applied once", async () => {
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

test("each call gets an id of its own, and a caller's id and message stay as they are", async () => {
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

test("a server that is not there is asked so many times and no more", async () => {
  const gone = await testServer({}, server.database);
  await gone.stop();
  const client = clientThatLoses(0, undefined, { backoffMs: 1, attemptsMax: 3 }, gone.baseUrl);
  await expect(client.getOrCreate({ userId: "ada" })).rejects.toMatchObject({
    code: Code.Unavailable,
  });
  expect(sent).toHaveLength(3);
});

test("a connection that breaks is as one that cannot be made", async () => {
  const { account } = await clientThatLoses(1, new ConnectError("reset", Code.Aborted)).getOrCreate(
    { userId: "cyd" },
  );
  expect(account?.userId).toBe("cyd");
  expect(sent).toHaveLength(2);
});

test("a refusal is an answer: it is not repeated", async () => {
  const client = clientThatLoses(0);
  const call = client.consume({ userId: "cyd", cost: points(1n) });
  await expect(call).rejects.toMatchObject({ code: Code.FailedPrecondition });
  expect(sent).toHaveLength(1);
});

test("a wait that the server asks for and that would pass the deadline isn't begun", async () => {
  const later = new ConnectError("later", Code.Unavailable);
  later.details = [{ desc: RetryInfoSchema, value: { retryDelay: { seconds: 600n } } }];
  const call = clientThatLoses(9, later).getOrCreate({ userId: "ada" }, { timeoutMs: 30_000 });
  await expect(call).rejects.toMatchObject({ rawMessage: "later" });
  expect(sent).toHaveLength(1);
});

test("a caller that goes away while it waits is told so at once, and nothing more is sent", async () => {
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

test("each attempt is told how much of the deadline is left", async () => {
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
