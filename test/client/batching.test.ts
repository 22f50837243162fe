import { clone, create, type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  ApplyBatchRequestSchema,
  ConsumeRequestSchema,
  createPointsClient,
  createPolicyClient,
  type ClientOptions,
  type Operation,
  OperationSchema,
  refusalOf,
  requestIdsOf,
} from "../../src/client/client.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { METHODS } from "../support/api.ts";
import { tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase } from "../support/database.ts";
import { holdLock } from "../support/held-lock.ts";
import { startPoints, temporaryFolder } from "../support/processes.ts";
import { alertBelow, points, ttl, use } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

// The client that batches by itself, beside the one that does not: the same answers, errors,
// deadlines and order, in fewer requests.

type Client = TestServer["client"];
type Sent = {
  readonly method: string;
  readonly operations: number;
  readonly bytes: number;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
};

let server: TestServer;
/** All requests since the test began, as the transport got them. */
let sent: Sent[];

beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());
beforeEach(() => {
  sent = [];
});

/** A client that batches, whose requests are noted. `to` may change what becomes of one. */
function batchingClient(
  { unary }: Pick<Transport, "unary"> = server.transport,
  options: ClientOptions = {},
): Client {
  const noting: Transport["unary"] = (method, signal, timeoutMs, header, input, values) => {
    const message = create(method.input, input);
    const bytes = toBinary<DescMessage>(method.input, message).length;
    const operations = (message as { operations?: unknown[] }).operations?.length ?? 1;
    sent.push({ method: method.name, operations, bytes, timeoutMs, signal });
    return unary(method, signal, timeoutMs, header, input, values);
  };
  const transport = { ...server.transport, unary: noting };
  return clientOf(transport, { batch: true, backoffMs: 1, ...options });
}

/** A client of all services. */
function clientOf(transport: Transport, options: ClientOptions): Client {
  return {
    ...createPointsClient(transport, options),
    ...createPolicyClient(transport, options),
    ...createClient(LedgerService, transport),
  };
}

async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: unknown) => error,
  );
}

/** What a caller sees of an error. */
function seenOf(error: unknown) {
  if (!(error instanceof ConnectError)) throw error;
  const { code, rawMessage, details } = error;
  const bytes = details.map((detail) =>
    "type" in detail ? [detail.type, Buffer.from(detail.value).toString("hex")] : detail,
  );
  return { code, rawMessage, bytes, refusal: refusalOf(error) };
}

function withoutWait({ code, rawMessage, bytes, refusal }: ReturnType<typeof seenOf>) {
  const { retryDelayMs, ...rest } = refusal!;
  expect(retryDelayMs).toBeGreaterThan(0);
  return { code, rawMessage, rest, bytes: bytes.length };
}

const METADATA = { job: "4711", "key é": "value é" };

describe("each mutation in a batch", () => {
  type Kind = NonNullable<Operation["operation"]["case"]>;
  /** All that ApplyBatch can carry, so that none is forgotten. */
  const KINDS = OperationSchema.fields.map(({ localName }) => localName as Kind);

  /** One call of each kind, each on an account of its own. */
  async function callsOfAllKinds(prefix: string) {
    const userOf = (kind: string) => `${prefix}-${kind}`;
    for (const kind of KINDS) {
      await server.client.recharge({ userId: userOf(kind), points: 100n });
    }
    const freeze = (kind: string) =>
      server.client.freeze({ userId: userOf(kind), cost: points(20n) });
    const [settled, released] = [await freeze("settle"), await freeze("release")];
    const extended = await freeze("extendHold");
    const spent = await server.client.consume({ userId: userOf("refund"), cost: points(30n) });
    await server.client.putPolicy({ userId: userOf("deletePolicy"), policy: alertBelow(9n) });
    const ids = (kind: string) => ({
      userId: userOf(kind),
      requestId: `${prefix}-1`,
      metadata: METADATA,
    });
    const expiration = ttl(86_400_000);
    const calls: Record<Kind, (client: Client) => Promise<Message>> = {
      recharge: (client) =>
        client.recharge({ ...ids("recharge"), points: 5n, priority: 3, expiration }),
      consume: (client) => client.consume({ ...ids("consume"), cost: points(7n) }),
      expire: (client) => client.expire({ ...ids("expire"), target: { case: "due", value: true } }),
      revoke: (client) => client.revoke({ ...ids("revoke"), target: points(3n) }),
      freeze: (client) => client.freeze({ ...ids("freeze"), cost: points(9n), expiration }),
      extendHold: (client) =>
        client.extendHold({ ...ids("extendHold"), hold: extended.hold!.number, more: points(2n) }),
      settle: (client) =>
        client.settle({ ...ids("settle"), hold: settled.hold!.number, cost: points(4n) }),
      release: (client) => client.release({ ...ids("release"), hold: released.hold!.number }),
      refund: (client) =>
        client.refund({ ...ids("refund"), sequence: spent.entry!.sequence, points: 11n }),
      putPolicy: (client) => client.putPolicy({ ...ids("putPolicy"), policy: alertBelow(9n) }),
      deletePolicy: (client) => client.deletePolicy({ ...ids("deletePolicy"), name: "low" }),
    };
    return (client: Client): Promise<Message>[] => KINDS.map((kind) => calls[kind](client));
  }
  const bytesOf = (answers: readonly Message[]) =>
    answers.map((answer, index) => {
      const { output } = METHODS[KINDS[index]!];
      return Buffer.from(toBinary<DescMessage>(output, answer)).toString("hex");
    });

  test("is answered as by its own RPC, to the byte", async () => {
    const calls = await callsOfAllKinds("bytes");
    const first = await Promise.all(calls(batchingClient()));
    // Those of each service go together.
    expect(sent).toMatchObject([
      { method: "ApplyBatch", operations: KINDS.length - 2 },
      { method: "ApplyBatch", operations: 2 },
    ]);
    const alone = await Promise.all(calls(server.client));
    const again = await Promise.all(calls(batchingClient()));
    expect(bytesOf(again)).toEqual(bytesOf(alone));
    // What was applied in a batch is what the ledger has, but for `replayed`.
    const asReplayed = first.map((answer) => ({ ...answer, replayed: true }));
    expect(bytesOf(asReplayed)).toEqual(bytesOf(alone));
    expect(first).toMatchObject(KINDS.map(() => ({ replayed: false })));
  });

  test("tells its request id, and its caller may reuse the message", async () => {
    const client = batchingClient();
    await server.client.recharge({ userId: "reuse", points: 100n });
    const request = create(ConsumeRequestSchema, { userId: "reuse" });
    const calls = [3n, 4n].map((cost) => {
      request.cost = points(cost);
      return client.consume(request);
    });
    const answers = await Promise.all(calls);
    expect(answers.map(({ entry }) => entry?.points)).toEqual([3n, 4n]);
    expect(answers.map(requestIdsOf)).toEqual(answers.map(({ entry }) => [entry?.requestId]));
    expect(new Set(answers.map(({ entry }) => entry?.requestId)).size).toBe(2);
  });
});

describe("a refusal in a batch", () => {
  const REFUSALS: readonly [reason: string, call: (client: Client) => Promise<unknown>][] = [
    ["FIELD_INVALID", (c) => c.consume({ userId: "a b", requestId: "r", cost: points(0n) })],
    ["FIELD_INVALID", (c) => c.recharge({ userId: "", requestId: "r", points: -1n })],
    ["FIELD_INVALID", (c) => c.consume({ userId: "x".repeat(20_000), requestId: "r" })],
    ["ACCOUNT_NOT_FOUND", (c) => c.consume({ userId: "none", requestId: "r", cost: points(1n) })],
    ["SERVICE_NOT_PRICED", (c) => c.consume({ ...bob("r1"), cost: use({ service: "none" }) })],
    ["INSUFFICIENT_POINTS", (c) => c.consume({ ...bob("r2"), cost: points(1_000n) })],
    ["INSUFFICIENT_POINTS", (c) => c.freeze({ ...bob("r3"), cost: points(1_001n) })],
    ["LOT_NOT_FOUND", (c) => c.expire({ ...bob("r4"), target: { case: "lot", value: 99n } })],
    ["HOLD_NOT_FOUND", (c) => c.settle({ ...bob("r5"), hold: 99n })],
    ["HOLD_NOT_FOUND", (c) => c.release({ ...bob("r6"), hold: 98n })],
    [
      "ENTRY_CHANGED",
      (c) => c.settle({ ...bob("r13"), hold: 5n, expectedHash: new Uint8Array(32) }),
    ],
    ["ENTRY_NOT_FOUND", (c) => c.refund({ ...bob("r7"), sequence: 99n })],
    ["ENTRY_NOT_REFUNDABLE", (c) => c.refund({ ...bob("r8"), sequence: 1n })],
    ["REFUND_EXCEEDS_ENTRY", (c) => c.refund({ ...bob("r9"), sequence: 2n, points: 9n })],
    ["HOLD_CLOSED", (c) => c.release({ ...bob("r10"), hold: 3n })],
    ["HOLD_EXCEEDED", (c) => c.settle({ ...bob("r11"), hold: 5n, cost: points(9n) })],
    ["REQUEST_ID_REUSED", (c) => c.consume({ ...bob("used"), cost: points(2n) })],
    ["TOTAL_TOO_LARGE", (c) => c.recharge({ ...rich("r1"), points: 1_000_000_000_000n })],
    ["MESSAGE_TOO_LARGE", (c) => c.consume({ ...bob("r12"), metadata: { k: "v".repeat(70_000) } })],
  ];
  const bob = (requestId: string) => ({ userId: "bob", requestId });
  const rich = (requestId: string) => ({ userId: "rich", requestId });

  beforeAll(async () => {
    const { client } = server;
    await client.recharge({ userId: "bob", points: 100n });
    await client.consume({ ...bob("used"), cost: points(1n) });
    await client.freeze({ userId: "bob", cost: points(5n) });
    await client.release({ userId: "bob", hold: 3n });
    await client.freeze({ userId: "bob", cost: points(5n) });
    await client.getOrCreate({ userId: "rich" });
    await server.database.query(
      `update points.account set total_recharged = 9007199254740000,
        total_consumed = 9007199254740000 where user_id = 'rich'`,
    );
  });

  test("is the error that its own RPC throws", async () => {
    const plain = clientOf(server.transport, { attemptsMax: 1 });
    const alone: unknown[] = [];
    for (const [, call] of REFUSALS) alone.push(seenOf(await errorOf(call(plain))));
    const client = batchingClient();
    const together = await Promise.all(REFUSALS.map(([, call]) => errorOf(call(client))));
    expect(together.map(seenOf)).toEqual(alone);
    expect(together.map((error) => refusalOf(error)?.reason)).toEqual(
      REFUSALS.map(([reason]) => reason),
    );
    // Those that are too large for an operation were sent alone.
    expect(sent.map(({ operations }) => operations)).toEqual([2, 1, 15, 1]);
  });

  test.for<[reason: string, token: string | undefined]>([
    ["UNAUTHENTICATED", undefined],
    ["PERMISSION_DENIED", "reader"],
    ["PERMISSION_DENIED", "granter"],
    ["PERMISSION_DENIED", "elsewhere"],
    ["RATE_LIMITED", "spender"],
  ])("of a caller is the error that its own RPC throws: %s, %s", async ([reason, token]) => {
    const callers = {
      reader: { scopes: ["points.read"] },
      granter: { scopes: ["points.grant"] },
      elsewhere: { scopes: ["points.spend"], prefix: "else-" },
      spender: { scopes: ["points.spend"] },
    };
    const environment = await writeCallers(await temporaryFolder(), callers);
    const rate = reason === "RATE_LIMITED" ? { CALLER_MAX_PER_SECOND: "1" } : {};
    const strict = await testServer({ ...environment, ...rate }, server.database);
    onTestFinished(() => strict.stop());
    const transport = createGrpcTransport({
      baseUrl: strict.baseUrl,
      interceptors: [
        (next) => (request) => {
          if (token !== undefined) request.header.set("authorization", `Bearer ${tokenOf(token)}`);
          return next(request);
        },
      ],
    });
    const call = (client: Client) => client.consume({ userId: "bob", cost: points(1_000n) });
    const plain = clientOf(transport, { attemptsMax: 1 });
    const client = batchingClient(transport, { attemptsMax: 1 });
    if (reason === "RATE_LIMITED") await errorOf(Promise.all([call(plain), call(plain)]));
    const alone = seenOf(await errorOf(call(plain)));
    const together = await Promise.all([call(client), call(client)].map(errorOf));
    expect(sent[0]).toMatchObject({ method: "ApplyBatch", operations: 2 });
    expect(new Set(together.flatMap(requestIdsOf)).size).toBe(2);
    for (const seen of together.map(seenOf)) {
      expect(seen.refusal?.reason).toBe(reason);
      // The wait that the server asks for differs from call to call.
      expect(reason === "RATE_LIMITED" ? withoutWait(seen) : seen).toEqual(
        reason === "RATE_LIMITED" ? withoutWait(alone) : alone,
      );
    }
  });
});

describe("the outcome of a call whose batch was applied, and its answer lost", () => {
  const reset = new ConnectError("read ECONNRESET", Code.Aborted);
  const tooLarge = new ConnectError("the answer is too large", Code.ResourceExhausted);

  /** The first request is applied, and fails with this error; all others go to `then`. */
  function losing(error: ConnectError, then: TestServer): Pick<Transport, "unary"> {
    let tried = 0;
    return {
      async unary(...args) {
        if (tried++ > 0) return then.transport.unary(...args);
        await server.transport.unary(...args);
        throw error;
      },
    };
  }

  test.for([
    { error: reset, attemptsMax: 2 },
    { error: tooLarge, attemptsMax: 1 },
  ])(
    "is UNKNOWN where no server looked, for each call with its own id: $error.rawMessage",
    async ({ error: lost, attemptsMax }) => {
      const orm = await openOrm("postgresql://points@127.0.0.1:1/points", 2);
      const cutOff = await testServer({}, { ...server.database, orm });
      onTestFinished(() => cutOff.stop());
      await server.client.recharge({ userId: "lost", points: 100n });
      const client = batchingClient(losing(lost, cutOff), { attemptsMax });
      const calls = [1n, 2n].map((cost) =>
        errorOf(client.consume({ userId: "lost", cost: points(cost) })),
      );
      const errors = await Promise.all(calls);
      for (const [index, error] of errors.entries()) {
        expect(refusalOf(error)).toMatchObject({
          reason: "DATABASE_UNAVAILABLE",
          outcome: "UNKNOWN",
        });
        const [requestId] = requestIdsOf(error);
        const cost = points(BigInt(index + 1));
        const answer = await server.client.consume({ userId: "lost", requestId: requestId!, cost });
        expect(answer.replayed).toBe(true);
      }
    },
  );

  test("is found by the retry of each call", async () => {
    await server.client.recharge({ userId: "found", points: 100n });
    const client = batchingClient(losing(reset, server));
    const cost = points(1n);
    const calls = Array.from({ length: 50 }, () => client.consume({ userId: "found", cost }));
    const answers = await Promise.all(calls);
    expect(answers).toMatchObject(calls.map(() => ({ replayed: true })));
    expect(sent[0]).toMatchObject({ method: "ApplyBatch", operations: 50 });
    const { account } = await server.client.getOrCreate({ userId: "found" });
    expect(account?.balance).toBe(50n);
  });
});

test("calls of a killed server are answered by the next server, and applied once", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const first = await startPoints({ DATABASE_URL: database.url });
  const client = createPointsClient(createGrpcTransport({ baseUrl: first.baseUrl }), {
    batch: true,
    attemptsMax: 10_000,
    backoffMaxMs: 100,
  });
  await client.recharge({ userId: "ada", points: 1_000n });
  const lock = await holdLock(database, "ada");
  const calls = Array.from({ length: 100 }, () =>
    client.consume({ userId: "ada", cost: points(1n) }, { timeoutMs: 50_000 }),
  );
  const answers = Promise.all(calls);
  answers.catch(() => {});
  await lock.awaited();
  await first.end("SIGKILL");
  await lock.release();
  await startPoints({ DATABASE_URL: database.url, LISTEN: `127.0.0.1:${first.port}` });
  const ids = (await answers).map(({ entry }) => entry?.requestId);
  expect(new Set(ids).size).toBe(100);
  const rows = await database.query("select from points.journal where kind = 'consume'");
  expect(rows).toHaveLength(100);
});

describe("a call of a batch that waits for a lock", () => {
  /** Two calls in a batch, one of which waits for a lock, so that both wait. */
  async function waitingBatch(client: Client, options: readonly [object, object]) {
    for (const userId of ["locked", "free"]) await server.client.recharge({ userId, points: 9n });
    const lock = await holdLock(server.database, "locked");
    let isReleased = false;
    const release = async () => {
      if (!isReleased) await lock.release();
      isReleased = true;
    };
    onTestFinished(release);
    const cost = points(1n);
    const calls = ["locked", "free"].map((userId, index) =>
      client.consume({ userId, cost }, options[index]),
    );
    for (const call of calls) call.catch(() => {});
    await lock.awaited();
    return { calls, release };
  }

  test("has its own deadline; the batch goes on until the longest", async () => {
    const options = [{ timeoutMs: 30_000 }, { timeoutMs: 400 }] as const;
    const { calls, release } = await waitingBatch(batchingClient(), options);
    const error = await errorOf(calls[1]!);
    expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    expect(sent).toMatchObject([{ method: "ApplyBatch", operations: 2 }]);
    expect(sent[0]?.timeoutMs).toBeGreaterThan(29_000);
    expect(sent[0]?.signal?.aborted).toBe(false);
    await release();
    expect((await calls[0])?.entry?.points).toBe(1n);
  });

  test.for<[string, unknown]>([
    ["no reason", undefined],
    ["an error", new Error("enough")],
  ])("may be aborted, with %s, as a call of its own", async ([, reason]) => {
    const away = new AbortController();
    const options = [{ timeoutMs: 30_000 }, { timeoutMs: 30_000, signal: away.signal }] as const;
    const { calls, release } = await waitingBatch(batchingClient(), options);
    const plain = server.client.consume({ userId: "locked", cost: points(1n) }, options[1]);
    plain.catch(() => {});
    away.abort(reason);
    const seen = seenOf(await errorOf(calls[1]!));
    expect(seen).toEqual(seenOf(await errorOf(plain)));
    expect(seen.code).toBe(Code.Canceled);
    expect(sent).toHaveLength(1);
    await release();
    expect((await calls[0])?.entry?.points).toBe(1n);
  });

  test("ends the batch if it was the last that waited", async () => {
    const away = new AbortController();
    const options = [{ signal: away.signal }, { signal: away.signal }] as const;
    const { calls } = await waitingBatch(batchingClient(), options);
    away.abort();
    await Promise.all(calls.map(errorOf));
    expect(sent).toHaveLength(1);
    expect(sent[0]?.signal?.aborted).toBe(true);
  });
});

test("a call that was aborted or expired in the queue is never sent", async () => {
  const gate = Promise.withResolvers<void>();
  let tried = 0;
  const unary: Transport["unary"] = async (...args) => {
    if (tried++ === 0) await gate.promise;
    return server.transport.unary(...args);
  };
  const client = batchingClient({ unary });
  await server.client.recharge({ userId: "queued", points: 9n });
  const consume = (options: object) =>
    client.consume({ userId: "queued", cost: points(1n) }, options);
  const first = consume({});
  await expect.poll(() => tried).toBe(1);
  const errors = [
    errorOf(consume({ signal: AbortSignal.abort() })),
    errorOf(consume({ timeoutMs: 30 })),
  ];
  expect((await Promise.all(errors)).map((error) => (error as ConnectError).code)).toEqual([
    Code.Canceled,
    Code.DeadlineExceeded,
  ]);
  gate.resolve();
  await first;
  const { account } = await consume({});
  expect(account?.balance).toBe(7n);
});

test("calls with and without a deadline are in different batches", async () => {
  const client = batchingClient();
  const recharge = (timeoutMs?: number) =>
    client.recharge({ userId: "mixed", points: 1n }, timeoutMs === undefined ? {} : { timeoutMs });
  const calls = [20_000, 30_000, 10_000, undefined, undefined, 5_000, 6_000].map(recharge);
  const answers = await Promise.all(calls);
  expect(answers.map(({ entry }) => entry?.sequence)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n]);
  expect(sent.map(({ operations }) => operations)).toEqual([3, 2, 2]);
  expect(sent[0]?.timeoutMs).toBeGreaterThan(20_000);
  expect(sent[1]?.timeoutMs).toBeUndefined();
  expect(sent[2]?.timeoutMs).toBeLessThanOrEqual(6_000);
});

test("reads, lone calls, and calls with their own headers are sent as they are", async () => {
  const client = batchingClient();
  await client.recharge({ userId: "plain", points: 1n });
  const headers = { "x-trace": "1" };
  await Promise.all([
    client.getOrCreate({ userId: "plain" }),
    client.getOrCreate({ userId: "plain" }),
    client.listLots({ userId: "plain" }),
    client.recharge({ userId: "plain", points: 1n }, { headers }),
    client.recharge({ userId: "plain", points: 1n }, { headers }),
  ]);
  expect(sent.map(({ method }) => method)).toEqual([
    "Recharge",
    "GetOrCreate",
    "GetOrCreate",
    "ListLots",
    "Recharge",
    "Recharge",
  ]);
});

test("calls of one user are applied in their order, whatever else is under way", async () => {
  let underWay = 0;
  let mostUnderWay = 0;
  const unary: Transport["unary"] = async (...args) => {
    underWay += 1;
    mostUnderWay = Math.max(mostUnderWay, underWay);
    try {
      return await server.transport.unary(...args);
    } finally {
      underWay -= 1;
    }
  };
  const client = batchingClient({ unary });
  const users = Array.from({ length: 7 }, (_, number) => `order-${number}`);
  const sequences = new Map(users.map((userId) => [userId, [] as (bigint | undefined)[]]));
  const calls: Promise<unknown>[] = [];
  for (let turn = 0; turn < 60; turn += 1) {
    for (let call = 0; call < turn; call += 1) {
      const userId = users[(turn * call) % users.length]!;
      const own = sequences.get(userId)!;
      const place = own.push(undefined) - 1;
      const answered = client.recharge({ userId, points: 1n });
      calls.push(answered.then(({ entry }) => (own[place] = entry?.sequence)));
    }
    await new Promise(setImmediate);
  }
  await Promise.all(calls);
  for (const own of sequences.values()) {
    expect(own).toEqual(own.map((_, index) => BigInt(index + 1)));
  }
  expect(sent.length).toBeLessThan(calls.length / 2);
  expect(mostUnderWay).toBe(1);
});

test("10,000 calls at once are 10 batches, and each is applied once", async () => {
  const client = batchingClient();
  const calls = Array.from({ length: 10_000 }, (_, number) =>
    client.recharge({ userId: `crowd-${number % 100}`, points: 1n }, { timeoutMs: 120_000 }),
  );
  const answers = await Promise.all(calls);
  expect(sent.map(({ operations }) => operations)).toEqual(Array.from({ length: 10 }, () => 1_000));
  expect(new Set(answers.map(({ entry }) => entry?.requestId)).size).toBe(10_000);
  const { account } = await server.client.getOrCreate({ userId: "crowd-42" });
  expect(account).toMatchObject({ balance: 100n, sequence: 100n });
}, 120_000);

test("a full queue refuses as an overloaded server does", async () => {
  const never = Promise.withResolvers<never>();
  const client = batchingClient({ unary: () => never.promise }, { attemptsMax: 1 });
  const call = () => client.recharge({ userId: "full", points: 1n });
  for (let count = 0; count < 50_000; count += 1) void call();
  const { outcome, reason, code } = refusalOf(await errorOf(call()))!;
  expect({ outcome, reason, code }).toEqual({
    outcome: "NOT_APPLIED",
    reason: "OVERLOADED",
    code: Code.ResourceExhausted,
  });
});

describe("the size of a batch", () => {
  const metadataOf = (text: string, length: number) =>
    Object.fromEntries(
      Array.from({ length: 16 }, (_, index) => [`key-${index}`, text.repeat(length)]),
    );
  const rechargeAll = async (client: Client, userId: string, metadata: Record<string, string>) => {
    const calls = Array.from({ length: 600 }, () =>
      client.recharge({ userId, points: 1n, metadata }, { timeoutMs: 60_000 }),
    );
    const answers = await Promise.all(calls);
    expect(new Set(answers.map(({ entry }) => entry?.sequence)).size).toBe(600);
    const { account } = await server.client.getOrCreate({ userId });
    expect(account).toMatchObject({ balance: 600n, sequence: 600n });
  };

  test("stays below what a server takes", async () => {
    await rechargeAll(batchingClient(), "large", metadataOf("x", 250));
    expect(sent.length).toBeLessThan(10);
    expect(Math.max(...sent.map(({ bytes }) => bytes))).toBeLessThan(1_048_576);
  });

  test("is halved where the estimate was too low, or the server takes less", async () => {
    const small = await testServer({ MESSAGE_MAX_BYTES: "100000" }, server.database);
    onTestFinished(() => small.stop());
    await rechargeAll(batchingClient(small.transport), "small", metadataOf("€", 80));
    // A refusal teaches the client: most batches fit.
    const tooLarge = sent.filter(({ bytes }) => bytes > 100_000);
    expect(tooLarge.length).toBeLessThan(sent.length / 2);
  });

  test("is halved where the answer is too large, and nothing is applied twice", async () => {
    const quiet = await testServer({ MESSAGE_OUT_MAX_BYTES: "65536" }, server.database);
    onTestFinished(() => quiet.stop());
    await rechargeAll(batchingClient(quiet.transport), "quiet", metadataOf("x", 100));
  });
});

test("a message is left as the caller made it", async () => {
  const request = create(ApplyBatchRequestSchema, {
    operations: [{ operation: { case: "recharge", value: { userId: "own", points: 1n } } }],
  });
  const before = clone(ApplyBatchRequestSchema, request);
  await batchingClient().applyBatch(request);
  expect(request).toEqual(before);
});
