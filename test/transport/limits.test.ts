import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { RechargeRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { createRateLimiter } from "../../src/auth/rate-limit.ts";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { exchange } from "../support/exchange.ts";
import { temporaryFolder } from "../support/processes.ts";
import { envelope } from "../support/raw-call.ts";
import { points } from "../support/requests.ts";
import { testServer } from "../support/server.ts";
import { clientOf, viaConnect, withQuery } from "../support/via-connect.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

async function serverWith(environment: Record<string, string>) {
  const server = await testServer(environment, database);
  onTestFinished(() => server.stop());
  return server;
}

function sessionTo({ port }: { port: number }) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return session;
}

const HEAD = {
  ":method": "POST",
  "content-type": "application/grpc",
  te: "trailers",
};
const RECHARGE = { ...HEAD, ":path": "/points.v1.PointsService/Recharge" };

describe.each([
  ["the fast path", RECHARGE],
  ["Connect", { ...RECHARGE, ":path": withQuery(RECHARGE[":path"]) }],
])("by %s, a request", (_, head) => {
  const request = create(RechargeRequestSchema, { userId: "late", points: 1n });
  const cases: [title: string, chunks: Uint8Array[]][] = [
    ["without any of its body", []],
    ["with a part of its body", [Uint8Array.of(0, 0)]],
    ["with all of its body but the end", [envelope(toBinary(RechargeRequestSchema, request))]],
  ];

  test.each(cases)(
    "%s by its deadline is answered then, and not applied",
    async (_title, chunks) => {
      const server = await serverWith({ BODY_MS: "600000" });
      const answer = await exchange(server.port, {
        headers: { ...head, "grpc-timeout": "300m" },
        chunks,
        staysOpen: true,
      });
      const { ":status": status, ...fields } = answer.headers as Record<string, string>;
      expect(status).toBe(200);
      const error = findTrailerError(new Headers(fields));
      expect(readRefusal(error)).toMatchObject({
        code: "DeadlineExceeded",
        reason: "DEADLINE_EXCEEDED",
        domain: "points.v1",
        outcome: "NOT_APPLIED",
      });
      expect(answer.code).toBe(http2.constants.NGHTTP2_NO_ERROR);
      await server.client.getPriceList({});
      expect(await database.query("select from points.account where user_id = 'late'")).toEqual([]);
    },
  );

  test.each(cases)("%s within BODY_MS is ended, and not applied", async (_title, chunks) => {
    const server = await serverWith({ BODY_MS: "100", DEADLINE_DEFAULT_MS: "60000" });
    const stream = sessionTo(server).request(head, { endStream: false });
    stream.on("error", () => {});
    for (const chunk of chunks) stream.write(chunk);
    const [answer] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    expect(answer[":status"]).toBe(408);
    stream.resume();
    await new Promise((resolve) => stream.once("close", resolve));
    await server.client.getPriceList({});
    await sleep(50);
    expect(await database.query("select from points.account where user_id = 'late'")).toEqual([]);
  });
});

test.each(["", "1"])(
  "a request over HTTP/1.1 is answered at its deadline, after %j",
  async (part) => {
    const { port } = await serverWith({ BODY_MS: "600000" });
    const socket = net.connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    const head =
      "POST /points.v1.PointsService/Recharge HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n";
    socket.write(`${head}content-type: application/json\r\nconnect-timeout-ms: 300\r\n\r\n${part}`);
    let answer = "";
    // The kept-alive connection is closed: the rest of this request is not a next request.
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1.1 504 [^]*"deadline_exceeded"[^]*"NOT_APPLIED"/);
  },
);

test("a stop does not wait for a body that never comes", async () => {
  const server = await testServer({ DRAIN_MS: "600000", BODY_MS: "600000" }, database);
  const late = { ...RECHARGE, "grpc-timeout": "300m" };
  const stream = sessionTo(server).request(late, { endStream: false });
  stream.on("error", () => {});
  const answered = once(stream.resume(), "response");
  await server.client.getPriceList({});
  await server.stop();
  const [headers] = (await answered) as [http2.IncomingHttpHeaders];
  expect(headers["grpc-status"]).toBe("4");
});

test("a stream of operations may last longer than BODY_MS", async () => {
  const { client } = await serverWith({ BODY_MS: "100" });
  const requests = async function* () {
    for (const tag of ["1", "2"]) {
      const value = { userId: "ada", points: 1n };
      yield { tag, operation: { operation: { case: "recharge" as const, value } } };
      await sleep(300);
    }
  };
  const tags: string[] = [];
  for await (const { tag } of client.apply(requests())) tags.push(tag);
  expect(tags).toEqual(["1", "2"]);
});

describe("connections", () => {
  async function isServed(port: number): Promise<boolean> {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    onTestFinished(() => void socket.destroy());
    socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    return new Promise((resolve) => {
      socket.once("data", () => resolve(true)).once("close", () => resolve(false));
    });
  }

  test.each(["CONNECTIONS_MAX", "CONNECTIONS_MAX_PER_PEER"])("are limited by %s", async (name) => {
    const { port } = await serverWith({ [name]: "2" });
    const served = [await isServed(port), await isServed(port), await isServed(port)];
    expect(served).toEqual([true, true, false]);
  });

  test("make room for others when they close", async () => {
    const { port, client } = await serverWith({ CONNECTIONS_MAX_PER_PEER: "1" });
    for (let round = 0; round < 3; round += 1) {
      const socket = net.connect(port, "127.0.0.1");
      await once(socket, "connect");
      socket.end();
      await once(socket.resume(), "close");
    }
    await client.getPriceList({});
  });
});

test("a connection is told how many streams and what head it may send", async () => {
  const limits = { STREAMS_MAX_PER_CONNECTION: "7", HEADER_MAX_BYTES: "4096" };
  const session = sessionTo(await serverWith(limits));
  await once(session, "remoteSettings");
  expect(session.remoteSettings).toMatchObject({
    maxConcurrentStreams: 7,
    maxHeaderListSize: 4_096,
  });
});

test("a connection that takes back more requests than it may is ended, and others are served", async () => {
  const server = await serverWith({ RESETS_MAX_BURST: "20", RESETS_MAX_PER_SECOND: "1" });
  const session = sessionTo(server);
  const ended = new Promise((resolve) => session.once("close", resolve));
  const path = "/points.v1.PointsService/GetPriceList";
  for (let sent = 0; sent < 500 && !session.closed; sent += 1) {
    const stream = session.request({ ...HEAD, ":path": path }, { endStream: false });
    stream.on("error", () => {});
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await sleep(0);
  }
  await ended;
  await server.client.getPriceList({});
});

describe("an answer that is too large", () => {
  const environment = { MESSAGE_OUT_MAX_BYTES: "65536", MESSAGE_MAX_BYTES: "1048576" };
  const metadata = Object.fromEntries(
    Array.from({ length: 16 }, (_, n) => [`${n}`.padStart(64, "k"), "v".repeat(256)]),
  );

  test.each([
    ["the fast path", []],
    ["Connect", [viaConnect]],
  ])("to a batch leaves it open whether it was applied, by %s", async (_, interceptors) => {
    const client = clientOf(await serverWith(environment), interceptors);
    const value = { userId: "eve", points: 1n, metadata };
    const operations = Array.from({ length: 20 }, () => ({
      operation: { case: "recharge" as const, value },
    }));
    const refusal = await refusalOf(client.applyBatch({ operations }));
    expect(refusal).toMatchObject({
      code: "ResourceExhausted",
      reason: "MESSAGE_TOO_LARGE",
      outcome: "UNKNOWN",
    });
  });

  test("does not arise where a page of entries can be shorter", async () => {
    const { client } = await serverWith(environment);
    for (let n = 0; n < 40; n += 1) {
      await client.recharge({ userId: "dan", points: 1n, metadata });
    }
    const sequences: bigint[] = [];
    let pageToken = "";
    do {
      const page = await client.listEntries({ userId: "dan", pageSize: 1_000, pageToken });
      sequences.push(...page.entries.map(({ sequence }) => sequence));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(sequences).toEqual(Array.from({ length: 40 }, (_, n) => BigInt(40 - n)));
  });
});

describe("a caller's rate", () => {
  async function limited() {
    const scopes = ["points.spend", "points.grant", "points.read"];
    const callers = await writeCallers(await temporaryFolder(), {
      one: { scopes },
      two: { scopes },
    });
    const server = await serverWith({ ...callers, CALLER_MAX_PER_SECOND: "5" });
    return (name: string) => clientWith(server.baseUrl, tokenOf(name));
  }

  test("is refused past its limit, and says when to come again; others go on", async () => {
    const as = await limited();
    const one = as("one");
    const calls = Array.from({ length: 100 }, () => one.getPriceList({}));
    const results = await Promise.allSettled(calls);
    const refused = results.flatMap((result) =>
      result.status === "rejected" ? [result.reason] : [],
    );
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(96);
    const refusal = await refusalOf(Promise.reject(refused[0] as Error));
    expect(refusal).toMatchObject({
      code: "ResourceExhausted",
      reason: "RATE_LIMITED",
      outcome: "NOT_APPLIED",
    });
    expect(refusal.retryMs).toBeGreaterThan(0);
    expect(refusal.retryMs).toBeLessThanOrEqual(200);
    await as("two").getPriceList({});
    await sleep(refusal.retryMs! + 300);
    await one.getPriceList({});
  });

  test("counts the operations of a batch", async () => {
    const as = await limited();
    const operations = Array.from({ length: 500 }, () => ({
      operation: { case: "recharge" as const, value: { userId: "fay", points: 1n } },
    }));
    expect((await as("one").applyBatch({ operations })).results).toHaveLength(500);
    const { reason, retryMs } = await refusalOf(as("one").getPriceList({}));
    expect(reason).toBe("RATE_LIMITED");
    expect(retryMs).toBeGreaterThan(1_000);
  });

  test("slows a stream down, and refuses none of it", async () => {
    const as = await limited();
    const requests = async function* () {
      for (let n = 0; n < 10; n += 1) {
        const value = { userId: "gus", cost: points(1n) };
        yield { tag: `${n}`, operation: { operation: { case: "consume" as const, value } } };
      }
    };
    await as("two").recharge({ userId: "gus", points: 100n });
    const cases = new Set<string | undefined>();
    let results = 0;
    for await (const { result } of as("one").apply(requests())) {
      cases.add(result?.result.case);
      results += 1;
    }
    expect({ results, cases: [...cases] }).toEqual({ results: 10, cases: ["consume"] });
  });

  test("is a token bucket that holds the operations of one second", () => {
    let nowMs = 0;
    const rate = createRateLimiter(10, () => nowMs);
    for (let n = 0; n < 10; n += 1) expect(rate.take("a")).toBe(0);
    expect(rate.take("a")).toBe(100);
    nowMs = 50;
    expect(rate.take("a")).toBe(50);
    nowMs = 100;
    expect([rate.take("a"), rate.take("a"), rate.take("b")]).toEqual([0, 100, 0]);
    nowMs = 60_000;
    for (let n = 0; n < 10; n += 1) expect(rate.take("a")).toBe(0);
    // The bucket is empty, and a batch that was let in counts even so.
    rate.add("a", 20);
    expect(rate.take("a")).toBe(2_100);
  });
});
