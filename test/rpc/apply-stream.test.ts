import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createWritableIterable, type WritableIterable } from "@connectrpc/connect/protocol";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  type ApplyRequestSchema,
  type ApplyResponse,
  PointsService,
} from "../../gen/points/v1/points_pb.ts";
import { laneNumber } from "../../src/commit/lanes.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { expectEquations } from "../support/equations.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { holdLock } from "../support/held-lock.ts";
import { LONG_MS } from "../support/patience.ts";
import { sessionsTo } from "../support/processes.ts";
import { queued } from "../support/queued.ts";
import { points, ttl } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { withCommas, TIMES } from "../support/times.ts";

const OPERATIONS = 20_000 * TIMES;

type Request = MessageInitShape<typeof ApplyRequestSchema>;

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await testServer({ LANES: "2" }, database);
});
afterAll(async () => {
  await server.stop();
  await expectEquations(database);
  await database.close();
});

test(
  `${withCommas(OPERATIONS)} operations on 500 users through one stream: each is answered once`,
  async () => {
    const others = 499;
    // Every second operation is of one user. A user's n-th operation makes its entry n.
    const userOf = (n: number) => (n % 2 === 0 ? "hot" : `user-${((n - 1) / 2) % others}`);
    const ofUser = (n: number) => (n % 2 === 0 ? n / 2 : Math.floor((n - 1) / 2 / others)) + 1;
    function* requests(): Generator<Request> {
      for (let n = 0; n < OPERATIONS; n += 1) {
        const userId = userOf(n);
        yield ofUser(n) % 3 === 1 ? recharge(userId, 5n, String(n)) : charge(userId, 2n, String(n));
      }
    }

    const next = new Map<string, number>();
    let answered = 0;
    const wrong: string[] = [];
    for await (const { tag, result } of server.client.apply(asStream(requests()))) {
      const n = Number(tag);
      const userId = userOf(n);
      const expected = next.get(userId) ?? 1;
      next.set(userId, expected + 1);
      const sequence = sequenceOf({ result });
      // In order within the user, each once, and each with the entry that it made.
      if (ofUser(n) !== expected || sequence !== BigInt(expected)) {
        wrong.push(`${tag} of ${userId} came as number ${expected}, with entry ${sequence}`);
      }
      answered += 1;
    }

    expect(wrong.slice(0, 10)).toEqual([]);
    expect(answered).toBe(OPERATIONS);
    const balances = await database.query(
      "select user_id, sequence, balance from points.account where user_id ~ '^(hot|user-)'",
    );
    expect(balances).toHaveLength(others + 1);
    for (const { user_id: userId, sequence, balance } of balances) {
      const entries = next.get(String(userId))! - 1;
      const recharges = Math.ceil(entries / 3);
      expect([userId, sequence]).toEqual([userId, String(entries)]);
      expect([userId, balance]).toEqual([
        userId,
        String(5 * recharges - 2 * (entries - recharges)),
      ]);
    }
  },
  LONG_MS,
);

describe("a client that sends and does not read", () => {
  test("is made to wait, others are served meanwhile, and nothing is lost", async () => {
    const most = 200_000;
    await server.client.recharge({ userId: "hurried", points: BigInt(most) });
    let sent = 0;
    let isHurried = true;
    async function* endless(): AsyncGenerator<Request> {
      while (isHurried && sent < most) {
        sent += 1;
        yield charge("hurried", 1n, String(sent));
      }
    }
    const results = ownClient(server).apply(endless())[Symbol.asyncIterator]();
    const first = await results.next();

    const stalledAt = await standstill("hurried", () => sent);
    console.log(`a client that does not read could send ${stalledAt} operations`);
    // What the buffers of both ends take; they grow with the machine.
    expect(stalledAt).toBeLessThan(most / 10);
    for (let n = 1; n <= 20; n += 1) {
      const { account } = await server.client.recharge({ userId: "served", points: 1n });
      expect(account!.balance).toBe(BigInt(n));
    }
    expect(sent).toBe(stalledAt);

    isHurried = false;
    const tags = [first.value!.tag];
    for (let one = await results.next(); one.done !== true; one = await results.next()) {
      tags.push(one.value.tag);
    }
    expect(tags).toEqual(Array.from({ length: sent }, (_, n) => String(n + 1)));
    const { account } = await server.client.getOrCreate({ userId: "hurried" });
    expect(account!.balance).toBe(BigInt(most - sent));
  });

  test.each([
    ["with tags that are far too long", () => recharge("long-tags", 1n, "t".repeat(100_000))],
    ["with all the metadata that may be", () => heavy("heavy")],
    ["with ids that are too long", () => recharge("u".repeat(20_000), 1n)],
    ["with nothing in it", (): Request => ({})],
  ])("takes little of the server's memory: %s", async (_, request) => {
    let sent = 0;
    const abort = new AbortController();
    async function* endless(): AsyncGenerator<Request> {
      for (; !abort.signal.aborted && sent < 100_000; sent += 1) yield request();
    }
    const before = await memoryUsed();
    const { signal } = abort;
    const results = ownClient(server).apply(endless(), { signal })[Symbol.asyncIterator]();
    await results.next();
    const stalledAt = await standstill("stalled", () => sent);
    console.log(`it could send ${stalledAt} operations`);
    expect(stalledAt).toBeLessThan(50_000);
    await expect.poll(async () => (await memoryUsed()) - before).toBeLessThan(64_000_000);
    abort.abort();
    await results.next().catch(() => {});
    await server.client.recharge({ userId: "alive", points: 1n });
  });
});

describe("results", () => {
  test("of what is refused keep their place among those of their user", async () => {
    const [locked, free] = twoLanes("places");
    for (const userId of [locked, free]) await server.client.recharge({ userId, points: 10n });
    const lock = await holdLock(database, locked);
    const stream = opened(server);
    const { requests } = stream;
    await requests.write(charge(locked, 1n, "one"));
    await lock.awaited();
    await requests.write(charge(locked, 0n, "malformed"));
    await requests.write(charge(locked, 99n, "refused"));
    await requests.write({ ...charge(locked, 1n), tag: "t".repeat(129) });
    await requests.write(charge(locked, 1n, "two"));
    await requests.write(charge(free, 0n, "free malformed"));
    await requests.write(charge(free, 1n, "free"));
    await requests.write({ tag: "unset" });

    // The others do not wait for the locked account.
    const early = [await stream.next(), await stream.next(), await stream.next()];
    const ofFree = early.filter(({ tag }) => tag.startsWith("free"));
    expect(ofFree.map(labelOf)).toEqual(["free malformed: FIELD_INVALID", "free: consume"]);
    expect(early.map(labelOf)).toContain("unset: FIELD_INVALID");
    await lock.release();
    requests.close();
    const late = await stream.rest();
    expect(late.map(labelOf)).toEqual([
      "one: consume",
      "malformed: FIELD_INVALID",
      "refused: INSUFFICIENT_POINTS",
      expect.stringMatching(/^t{1,129}: FIELD_INVALID$/),
      "two: consume",
    ]);
    const { account } = await server.client.getOrCreate({ userId: locked });
    expect(account!.balance).toBe(8n);
  });

  test("come while the client still sends, and repeats have the first answer", async () => {
    const stream = opened(server);
    const request = recharge("again", 5n, "first", "r1");
    await stream.requests.write(request);
    const first = await stream.next();
    await stream.requests.write({ ...request, tag: "second" });
    const second = await stream.next();
    stream.requests.close();
    expect(await stream.rest()).toEqual([]);
    expect([first.tag, second.tag]).toEqual(["first", "second"]);
    expect(second.result!.result.value).toEqual({
      ...(first.result!.result.value as object),
      replayed: true,
    });
  });

  test("of all that was sent come after the client has closed its side", async () => {
    const stream = opened(server);
    for (let n = 0; n < 900; n += 1) {
      await stream.requests.write(recharge(`half-${n % 7}`, 1n, String(n)));
    }
    stream.requests.close();
    const tags = (await stream.rest()).map(({ tag }) => Number(tag));
    expect(tags.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 900 }, (_, n) => n));
  });

  test("of a stream without operations are none", async () => {
    const stream = opened(server);
    stream.requests.close();
    expect(await stream.rest()).toEqual([]);
  });

  test("come after the default deadline, which is for single calls", async () => {
    const hasty = await testServer({ DEADLINE_DEFAULT_MS: "500" }, database);
    onTestFinished(() => hasty.stop());
    const stream = opened(hasty);
    await stream.requests.write(recharge("patient", 1n));
    await stream.next();
    await sleep(1_000);
    await stream.requests.write(recharge("patient", 1n));
    expect(labelOf(await stream.next())).toBe(": recharge");
    stream.requests.close();
    expect(await stream.rest()).toEqual([]);
  });
});

describe("a stream that is cut", () => {
  test.each(["the client cancels", "the deadline passes"])(
    "because %s leaves the server well, and the journal as answered",
    async (why) => {
      let userId = "";
      const abort = new AbortController();
      async function* endless(): AsyncGenerator<Request> {
        for (let n = 1; !abort.signal.aborted; n += 1) {
          yield recharge(userId, 1n, String(n));
          await sleep(0);
        }
      }
      const cancels = why === "the client cancels";
      const answered: bigint[] = [];
      let thrown: unknown;
      // On a slow machine a deadline may pass before the first answer: then the next is later.
      for (let timeoutMs = 500; answered.length < 1; timeoutMs *= 2) {
        userId = `cut-${why}-${timeoutMs}`.replaceAll(" ", "-");
        const options = cancels ? { signal: abort.signal } : { timeoutMs };
        try {
          for await (const response of ownClient(server).apply(endless(), options)) {
            answered.push(sequenceOf(response)!);
            if (cancels && answered.length === 300) abort.abort();
          }
        } catch (error) {
          thrown = error;
        }
      }
      abort.abort();

      expect(thrown).toBeInstanceOf(ConnectError);
      expect(answered).toEqual(answered.map((__, n) => BigInt(n + 1)));
      const { account } = await server.client.getOrCreate({ userId });
      expect(account!.sequence).toBeGreaterThanOrEqual(BigInt(answered.length));
      await server.client.recharge({ userId, points: 1n });
    },
  );

  test("while what it sent waits in the queue: that is dropped", async () => {
    const userId = "queued";
    await server.client.recharge({ userId, points: 10n });
    const lock = await holdLock(database, userId);
    const abort = new AbortController();
    const stream = opened(server, abort.signal);
    await stream.requests.write(charge(userId, 1n));
    await lock.awaited();
    for (let n = 0; n < 5; n += 1) await stream.requests.write(charge(userId, 1n));
    await queued(server, 5);
    abort.abort();
    await expect(stream.rest()).rejects.toBeInstanceOf(ConnectError);
    await queued(server, 0);
    // A call that comes after them to the same lane; when it is answered, they were before it.
    const last = ownClient(server).recharge({ userId, points: 1n });
    await queued(server, 1);
    await lock.release();
    expect((await last).account).toMatchObject({ balance: 10n, sequence: 3n });
  });

  test("because the server stops ends, and all that was answered is in the journal", async () => {
    const stopping = await testServer({ DRAIN_MS: "1000" }, database);
    const userId = "stopped";
    let isOver = false;
    async function* endless(): AsyncGenerator<Request> {
      for (let n = 1; !isOver; n += 1) {
        yield recharge(userId, 1n, String(n));
        await sleep(0);
      }
    }
    const answered: bigint[] = [];
    const refused: string[] = [];
    let stopped: Promise<void> | undefined;
    let end = "OK";
    try {
      for await (const response of ownClient(stopping).apply(endless())) {
        const sequence = sequenceOf(response);
        if (sequence === undefined) refused.push(labelOf(response).replace(/^\d+/, ""));
        else answered.push(sequence);
        if (answered.length === 100) stopped = stopping.stop();
      }
    } catch (error) {
      end = readRefusal(error).code;
    }
    isOver = true;
    await stopped;
    expect(["OK", "Unavailable", "Canceled"]).toContain(end);

    expect(answered.length).toBeGreaterThanOrEqual(100);
    expect(answered).toEqual(answered.map((_, n) => BigInt(n + 1)));
    expect(new Set(refused)).toEqual(new Set(refused.length === 0 ? [] : [": SHUTTING_DOWN"]));
    const { account } = await server.client.getOrCreate({ userId });
    expect(account!.sequence).toBeGreaterThanOrEqual(BigInt(answered.length));
  });

  test("because the server stops says so at once, though the client is silent", async () => {
    const stopping = await testServer({ DRAIN_MS: "600000" }, database);
    const stream = opened(stopping);
    await stream.requests.write(recharge("silent", 1n));
    expect(labelOf(await stream.next())).toBe(": recharge");
    const refusal = refusalOf(stream.rest());
    await stopping.stop();
    expect(await refusal).toMatchObject({
      code: "Unavailable",
      reason: "SHUTTING_DOWN",
      outcome: "NOT_APPLIED",
    });
  });
});

test("a stream over a full queue waits for room, and is not refused", async () => {
  const small = await testServer({ QUEUE_MAX_OPS: "20", BATCH_MAX_OPS: "10" }, database);
  function* requests(): Generator<Request> {
    for (let n = 0; n < 2_000; n += 1) yield recharge(`full-${n % 3}`, 1n, String(n));
  }
  const labels = new Set<string>();
  for await (const response of small.client.apply(asStream(requests()))) {
    labels.add(labelOf(response).replace(/^\d+/, ""));
  }
  await small.stop();
  expect([...labels]).toEqual([": recharge"]);
  const { account } = await server.client.getOrCreate({ userId: "full-0" });
  expect(account!.balance).toBe(667n);
});

function recharge(userId: string, value: bigint, tag = "", requestId = ""): Request {
  const content = { userId, requestId, points: value };
  return { tag, operation: { operation: { case: "recharge", value: content } } };
}

function charge(userId: string, value: bigint, tag = ""): Request {
  const content = { userId, cost: points(value) };
  return { tag, operation: { operation: { case: "consume", value: content } } };
}

/** The largest operation that is valid. */
function heavy(userId: string): Request {
  const metadata = Object.fromEntries(
    Array.from({ length: 16 }, (_, n) => [`${n}`.padEnd(64, "k"), "v".repeat(256)]),
  );
  const value = { userId, metadata, points: 1n, expiration: ttl(3_600_000) };
  return { tag: "t".repeat(128), operation: { operation: { case: "recharge", value } } };
}

/** What is in use in this process, of which server and client are parts, in bytes. */
async function memoryUsed(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  let least = Infinity;
  // Buffers that a collection found to be garbage are freed some time after it.
  for (let round = 0; round < 4; round += 1) {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
    await sleep(100);
  }
  return least;
}

async function* asStream<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** A client over a connection of its own, which ends with the test. */
function ownClient({ baseUrl }: TestServer): Client<typeof PointsService> {
  const sessionManager = sessionsTo(baseUrl);
  return createClient(PointsService, createGrpcTransport({ baseUrl, sessionManager }));
}

type OpenStream = {
  readonly requests: WritableIterable<Request>;
  next(): Promise<ApplyResponse>;
  rest(): Promise<ApplyResponse[]>;
};

/** A stream that a test writes to and reads from as it likes. */
function opened(at: TestServer, signal?: AbortSignal): OpenStream {
  const requests = createWritableIterable<Request>();
  const options = signal === undefined ? {} : { signal };
  const results = ownClient(at).apply(requests, options)[Symbol.asyncIterator]();
  return {
    requests,
    async next() {
      const { done, value } = await results.next();
      if (done === true) throw new Error("the stream has ended");
      return value;
    },
    async rest() {
      const all: ApplyResponse[] = [];
      for (let one = await results.next(); one.done !== true; one = await results.next()) {
        all.push(one.value);
      }
      return all;
    },
  };
}

/**
 * The number of a counter once it has not moved for a second, nor, if that was too short for a slow
 * machine, while both lanes answered a call that came behind what was sent.
 */
async function standstill(name: string, counter: () => number): Promise<number> {
  for (;;) {
    const before = counter();
    await sleep(1_000);
    for (let round = 0; round < 3; round += 1) {
      for (const userId of twoLanes(name)) await server.client.recharge({ userId, points: 1n });
    }
    if (counter() === before) return before;
  }
}

/** Two users whose operations go to different lanes of two. */
function twoLanes(name: string): [string, string] {
  const users = Array.from({ length: 20 }, (_, n) => `${name}-${n}`);
  const inLane = (lane: number) => users.find((userId) => laneNumber(userId) % 2 === lane)!;
  return [inLane(0), inLane(1)];
}

function sequenceOf({ result }: Pick<ApplyResponse, "result">): bigint | undefined {
  const { value, case: kind } = result!.result;
  return kind === "error" ? undefined : value?.entry?.sequence;
}

/** A result as its tag, and its kind or the reason of its error. */
function labelOf({ tag, result }: ApplyResponse): string {
  const { value, case: kind } = result!.result;
  if (kind !== "error") return `${tag}: ${kind}`;
  const text = Buffer.from(value.details[0]!.value).toString("latin1");
  return `${tag}: ${/[A-Z]{3,}(?:_[A-Z]+)+/.exec(text)![0]}`;
}
