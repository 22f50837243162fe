import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterEach, describe, expect, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal, type Refusal, refusalOf } from "../support/error-info.ts";
import { holdLock, isLockAwaited } from "../support/held-lock.ts";
import { queued } from "../support/queued.ts";
import { callJson } from "../support/raw-call.ts";
import { testServer, type TestServer } from "../support/server.ts";

const PROTOCOLS = [
  ["gRPC", "grpc-timeout", "300m", "1H", (baseUrl: string) => createGrpcTransport({ baseUrl })],
  [
    "gRPC-Web",
    "grpc-timeout",
    "300m",
    "1H",
    (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  ],
  [
    "Connect",
    "connect-timeout-ms",
    "300",
    "3600000",
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  ],
] as const;

const GRPC_MALFORMED = "5|S|5s|5X|-5S|+5S|5.5S|1e3m|0x5S|123456789S|999999999H|5S, 5S|soon".split(
  "|",
);
const CONNECT_MALFORMED = "-1|+1|1.5|5S|1e3|1e9|0x7fffffff|Infinity|12345678901|5, 5|soon".split(
  "|",
);

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

describe.each(PROTOCOLS)("over %s", (_, header, short, long, transportTo) => {
  // As a header alone, so that the client does not give up by itself before the server answers.
  const inTime = (value: string) => ({ headers: { [header]: value } });
  const within = (ms: number) => inTime(short.replace("300", String(ms)));

  async function started(environment: Record<string, string> = {}, database?: TestDatabase) {
    const server = await startedServer(environment, database);
    return { server, client: createClient(PointsService, transportTo(server.baseUrl)) };
  }

  test("a deadline passes in a transaction: UNKNOWN, and the call is applied", async () => {
    const { server, client } = await started({ LANES: "1" });
    await client.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(server.database, "ada");
    const charge = { userId: "ada", requestId: "c1", cost: points(5n) };

    const refusal = await lateInTransaction(server, (ms) => client.consume(charge, within(ms)));
    await lock.release();

    expect(refusal).toMatchObject({
      code: "DeadlineExceeded",
      reason: "DEADLINE_EXCEEDED",
      domain: "points.v1",
      outcome: "UNKNOWN",
    });
    expect(await client.consume(charge)).toMatchObject({
      replayed: true,
      account: { balance: 95n, sequence: 2n },
    });
  });

  test("a deadline passes in the queue: NOT_APPLIED, and the call never is", async () => {
    const { server, client } = await started({ LANES: "1" });
    await client.recharge({ userId: "ada", points: 100n });
    await client.recharge({ userId: "bob", points: 100n });
    const lock = await holdLock(server.database, "ada");
    const ofAda = client.consume({ userId: "ada", cost: points(5n) });
    await lock.awaited();
    const charge = { userId: "bob", requestId: "c1", cost: points(5n) };

    const refusal = await refusalOf(client.consume(charge, inTime(short)));
    await lock.release();

    expect(refusal).toMatchObject({
      code: "DeadlineExceeded",
      reason: "DEADLINE_EXCEEDED",
      domain: "points.v1",
      outcome: "NOT_APPLIED",
    });
    expect(await ofAda).toMatchObject({ account: { balance: 95n } });
    const { account } = await client.getOrCreate({ userId: "bob" });
    expect(account).toMatchObject({ balance: 100n, sequence: 1n });
    expect(await client.consume(charge)).toMatchObject({ replayed: false });
  });

  test("a deadline that has passed already: NOT_APPLIED, and it never is", async () => {
    const { client } = await started();
    await client.recharge({ userId: "ada", points: 100n });
    const charge = { userId: "ada", cost: points(5n) };
    const refusal = await refusalOf(client.consume(charge, within(0)));
    expect(refusal).toMatchObject({
      code: "DeadlineExceeded",
      reason: "DEADLINE_EXCEEDED",
      outcome: "NOT_APPLIED",
    });
    const { account } = await client.getOrCreate({ userId: "ada" });
    expect(account!.sequence).toBe(1n);
  });

  test("a call that names no deadline has the default one", async () => {
    const { server, client: patient } = await started();
    await patient.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(server.database, "ada");
    const refusal = await lateInTransaction(server, async (ms) => {
      const { client } = await started({ DEADLINE_DEFAULT_MS: String(ms) }, server.database);
      return client.consume({ userId: "ada", cost: points(5n) });
    });
    await lock.release();
    expect(refusal).toMatchObject({ code: "DeadlineExceeded", outcome: "UNKNOWN" });
  });

  test("a deadline past the longest is cut to it", async () => {
    const { server, client: patient } = await started();
    await patient.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(server.database, "ada");
    const charge = { userId: "ada", cost: points(5n) };
    const refusal = await lateInTransaction(server, async (ms) => {
      const { client } = await started({ DEADLINE_MAX_MS: String(ms) }, server.database);
      return client.consume(charge, inTime(long));
    });
    await lock.release();
    expect(refusal).toMatchObject({ code: "DeadlineExceeded", outcome: "UNKNOWN" });
  });

  test("a caller goes away while its call is queued: it is never applied", async () => {
    const { server, client } = await started({ LANES: "1", QUEUE_MAX_OPS: "1" });
    await client.recharge({ userId: "ada", points: 100n });
    await client.recharge({ userId: "bob", points: 100n });
    const lock = await holdLock(server.database, "ada");
    const ofAda = client.consume({ userId: "ada", cost: points(5n) });
    await lock.awaited();
    const leaving = new AbortController();
    const charge = { userId: "bob", requestId: "c1", cost: points(5n) };
    const ofBob = refusalOf(client.consume(charge, { signal: leaving.signal }));
    await queued(server, 1);

    leaving.abort();
    expect(await ofBob).toMatchObject({ code: "Canceled" });
    await queued(server, 0);
    await lock.release();

    expect(await ofAda).toMatchObject({ account: { balance: 95n } });
    const { account } = await client.getOrCreate({ userId: "bob" });
    expect(account).toMatchObject({ balance: 100n, sequence: 1n });
  });

  test("a caller goes away while its call is in a transaction: it is applied once", async () => {
    const { server, client } = await started({ LANES: "1" });
    await client.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(server.database, "ada");
    const leaving = new AbortController();
    const charge = { userId: "ada", requestId: "c1", cost: points(5n) };
    const left = refusalOf(client.consume(charge, { signal: leaving.signal }));
    await lock.awaited();
    leaving.abort();
    expect(await left).toMatchObject({ code: "Canceled" });
    await lock.release();
    expect(await client.consume(charge)).toMatchObject({
      replayed: true,
      account: { balance: 95n, sequence: 2n },
    });
  });
});

describe("a timeout", () => {
  test.each([
    ...["99999999H", "99999999M", "99999999S", "2147484S", "99999999m", "1M"].map(
      (value) => ["grpc-timeout", value, 0] as const,
    ),
    ...["4294967296", "2147483648", "2147483647", "9999999999", "60000"].map(
      (value) => ["connect-timeout-ms", value, 2] as const,
    ),
  ])("%s: %s is no error", async (header, value, protocol) => {
    const server = await startedServer();
    const client = createClient(PointsService, PROTOCOLS[protocol][4](server.baseUrl));
    const headers = { [header]: value };
    const answer = await client.getOrCreate({ userId: "ada" }, { headers });
    expect(answer.created).toBe(true);
  });

  test.each([
    ...GRPC_MALFORMED.map((value) => ["grpc-timeout", value, 0] as const),
    ...CONNECT_MALFORMED.map((value) => ["connect-timeout-ms", value, 2] as const),
  ])("%s: %s is INVALID_ARGUMENT, and nothing changes", async (header, value, protocol) => {
    const server = await startedServer();
    const client = createClient(PointsService, PROTOCOLS[protocol][4](server.baseUrl));
    const call = client.getOrCreate({ userId: "ada" }, { headers: { [header]: value } });
    expect(await refusalOf(call)).toMatchObject({
      code: "InvalidArgument",
      reason: "FIELD_INVALID",
      domain: "points.v1",
      outcome: "NOT_APPLIED",
      fields: [],
    });
    expect(await server.database.query("select from points.account")).toHaveLength(0);
  });

  test("an empty one in JSON is INVALID_ARGUMENT", async () => {
    const server = await startedServer();
    const headers = { "connect-timeout-ms": "" };
    const body = `{"userId":"ada"}`;
    const error = await callJson(server.baseUrl, { method: "GetOrCreate", body, headers });
    expect(readRefusal(error)).toMatchObject({ code: "InvalidArgument", outcome: "NOT_APPLIED" });
  });
});

describe("a queue that is full", () => {
  test("refuses as OVERLOADED, says when to try again, and then takes calls", async () => {
    const { client, database } = await startedServer({ LANES: "1", QUEUE_MAX_OPS: "1" });
    await client.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(database, "ada");
    const charge = (requestId: string) =>
      client.consume({ userId: "ada", requestId, cost: points(1n) });
    const running = charge("running");
    await lock.awaited();

    const ids = ["a", "b", "c", "d", "e"];
    let open = ids.length;
    const rushed = ids.map((id) => charge(id).finally(() => (open -= 1)));
    // One of them takes the only place; it is answered when the lock is gone, the others at once.
    for (const call of rushed) call.catch(() => {});
    while (open > 1) await sleep(5);
    await lock.release();

    const results = await Promise.allSettled(rushed);
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).toHaveLength(4);
    for (const { reason } of refused) {
      expect(readRefusal(reason)).toMatchObject({
        code: "ResourceExhausted",
        reason: "OVERLOADED",
        outcome: "NOT_APPLIED",
        retryMs: 200,
      });
    }
    expect(await running).toMatchObject({ replayed: false });
    const again = [];
    for (const id of ids) again.push(await charge(id));
    expect(again.filter(({ replayed }) => replayed)).toHaveLength(1);
    const { account } = await client.getOrCreate({ userId: "ada" });
    expect(account).toMatchObject({ balance: 94n, sequence: 7n });
  });
});

describe("a server that stops", () => {
  test("answers all that is queued, takes nothing more, and then is gone", async () => {
    const database = await testDatabase();
    stops.push(() => database.close());
    const server = await testServer({ LANES: "1" }, database);
    const { client } = server;
    await client.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(database, "ada");
    const charges = Array.from({ length: 20 }, (_, n) =>
      client.consume({ userId: "ada", requestId: `c${n}`, cost: points(1n) }),
    );
    await lock.awaited();
    // Requests of one connection arrive in order: when this is answered, all charges are there.
    expect(await refusalOf(client.getOrCreate({ userId: "" }))).toMatchObject({
      reason: "FIELD_INVALID",
    });

    const stopped = server.stop();
    const late = refusalOf(client.consume({ userId: "ada", cost: points(1n) }));
    await sleep(300);
    await lock.release();
    const answers = await Promise.all(charges);
    // The client is told to try another server: REFUSED_STREAM, or a connection that is refused.
    expect((await late).message).toMatch(/REFUSED/);
    await stopped;

    const balances = answers.map(({ account }) => account!.balance);
    expect(balances.toSorted((a, b) => Number(b - a))).toEqual(
      Array.from({ length: 20 }, (_, n) => BigInt(99 - n)),
    );
    expect(await refusalOf(client.getOrCreate({ userId: "ada" }))).toMatchObject({
      code: "Unavailable",
    });
    const [row] = await database.query("select balance from points.account");
    expect(row).toEqual({ balance: "80" });
  });

  test("answers what is queued over HTTP/1.1 too", async () => {
    const database = await testDatabase();
    stops.push(() => database.close());
    const server = await testServer({ LANES: "1" }, database);
    await server.client.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(database, "ada");
    const charge = () =>
      fetch(`${server.baseUrl}/${PointsService.typeName}/Consume`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `{"userId":"ada","points":1}`,
      });
    const responses = [charge()];
    await lock.awaited();
    responses.push(charge(), charge(), charge(), charge());
    await queued(server, 4);

    const stopped = server.stop();
    await sleep(300);
    await lock.release();
    const statuses = (await Promise.all(responses)).map(({ status }) => status);
    await stopped;

    expect(statuses).toEqual([200, 200, 200, 200, 200]);
    const [row] = await database.query("select balance from points.account");
    expect(row).toEqual({ balance: "95" });
  });

  test("cuts a call off after DRAIN_MS, and still applies what is in a transaction", async () => {
    const database = await testDatabase();
    stops.push(() => database.close());
    const server = await testServer({ LANES: "1", DRAIN_MS: "100" }, database);
    await server.client.recharge({ userId: "ada", points: 100n });
    const lock = await holdLock(database, "ada");
    const charge = refusalOf(server.client.consume({ userId: "ada", cost: points(5n) }));
    await lock.awaited();

    const stopped = server.stop();
    const { code } = await charge;
    await lock.release();
    await stopped;

    expect(["Unavailable", "Aborted", "Canceled", "Internal"]).toContain(code);
    const [row] = await database.query("select balance, sequence from points.account");
    expect(row).toEqual({ balance: "95", sequence: "2" });
  });
});

async function startedServer(
  environment: Record<string, string> = {},
  database?: TestDatabase,
): Promise<TestServer> {
  const server = await testServer(environment, database);
  stops.push(() => server.stop());
  return server;
}

/**
 * What a call is refused with whose deadline passes while its transaction waits for a lock. On a
 * slow machine the deadline may pass before the transaction begins: then the call gets a later one.
 */
async function lateInTransaction(
  { database }: TestServer,
  callWithin: (ms: number) => Promise<unknown>,
): Promise<Refusal> {
  for (let ms = 300; ; ms *= 2) {
    const refusal = await refusalOf(callWithin(ms));
    if (refusal.outcome !== "NOT_APPLIED" || (await isLockAwaited(database))) return refusal;
  }
}

function points(value: bigint) {
  return { case: "points", value } as const;
}
