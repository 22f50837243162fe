import { readFile } from "node:fs/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConsumeRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { isPast, makeDue, pricedServer, unlessLate } from "../support/priced-server.ts";
import { until } from "../support/processes.ts";
import { callGrpc, envelope } from "../support/raw-call.ts";
import { microsOf, points, quantity, ttl, use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

// Where more than one answer would do: docs/guarantees.md says which it is, and why.

let server: TestServer;
beforeAll(async () => {
  server = await pricedServer();
});
afterAll(() => server.stop());

test("every decision in the documents is held to by a test of that name", async () => {
  const page = await readFile("docs/guarantees.md", "utf8");
  const [, table = ""] = /\n## Decided\n([^]*?)\n## /.exec(page) ?? [];
  const named = [...table.matchAll(/\| `(\S+)`: (.*) \|$/gm)];
  expect(named.length).toBeGreaterThan(8);
  for (const [, file, title] of named) {
    // As the title of a test, or of a row of a table of tests.
    expect(await readFile(`test/${file}.test.ts`, "utf8")).toContain(`"${title}"`);
  }
});

test("a repeat is answered though its time is over, and a missing account told before a price", async () => {
  const userId = "order";
  const { client, database } = server;
  // On a slow machine the time may come before the request: then the next is later.
  const inTime = async (ms: number) => {
    const soon = await client.recharge({ userId, points: 1n, expiration: ttl(ms) });
    const { expireTime } = soon.entry!;
    const request = {
      userId,
      requestId: "r1",
      points: 7n,
      expiration: { case: "expireTime", value: expireTime! },
    } as const;
    const first = await unlessLate(client.recharge(request));
    return first && { expireTime, request, first };
  };
  let found = await inTime(400);
  for (let ms = 800; found === undefined; ms *= 2) found = await inTime(ms);
  const { expireTime, request, first } = found;
  await until("its time is over", () => isPast(database, "lot", userId, first.entry!.sequence));
  expect((await client.recharge(request)).replayed).toBe(true);
  expect(await refusalOf(client.recharge({ ...request, requestId: "r2" }))).toMatchObject({
    reason: "FIELD_INVALID",
    fields: ["expire_time"],
  });
  const past = { case: "expireTime", value: expireTime! } as const;
  const refusals = [
    client.consume({ userId: "nobody", cost: use({ service: "nothing" }) }),
    client.freeze({ userId: "nobody", cost: points(1n), expiration: past }),
  ];
  for (const refused of refusals) {
    expect(await refusalOf(refused)).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
  }
});

test("NOT_APPLIED of a first attempt that nobody looked up is UNKNOWN of a later one", async () => {
  const attempt = (before: string) =>
    refusalOf(
      server.client.consume(
        { userId: "a b", requestId: "r1", cost: points(1n) },
        { headers: { "grpc-previous-rpc-attempts": before } },
      ),
    );
  expect(await attempt("0")).toMatchObject({ reason: "FIELD_INVALID", outcome: "NOT_APPLIED" });
  expect(await attempt("1")).toMatchObject({ reason: "FIELD_INVALID", outcome: "UNKNOWN" });
});

test("a refund makes one lot, of the lowest priority of those that it replaces", async () => {
  const userId = "reissued";
  const { client, database } = server;
  for (const priority of [3, 7, 5]) {
    await client.recharge({ userId, points: 10n, priority, expiration: ttl(3_600_000) });
  }
  const { entry } = await client.consume({ userId, cost: points(25n) });
  for (const number of [1n, 2n, 3n]) await makeDue(database, "lot", userId, number);
  const life = { seconds: 3_600n, nanos: 0 };
  await client.refund({ userId, sequence: entry!.sequence, reissueTtl: life });
  const { lots } = await client.listLots({ userId });
  expect(lots).toMatchObject([{ points: 25n, remaining: 25n, priority: 3 }]);
});

test("a refund of an entry of 0 points is REFUND_EXCEEDS_ENTRY", async () => {
  const userId = "nothing";
  await server.client.recharge({ userId, points: 10n });
  const { entry } = await server.client.consume({ userId, cost: use({ service: "caption" }) });
  expect(entry!.points).toBe(0n);
  for (const asked of [{}, { points: 1n }]) {
    const refused = server.client.refund({ userId, sequence: entry!.sequence, ...asked });
    expect(await refusalOf(refused)).toMatchObject({
      code: "FailedPrecondition",
      reason: "REFUND_EXCEEDS_ENTRY",
    });
  }
});

test("an account that is read has what is due counted, and the sequence of its last entry", async () => {
  const userId = "read";
  const { client, database } = server;
  await client.recharge({ userId, points: 5n, expiration: ttl(3_600_000) });
  await client.recharge({ userId, points: 7n });
  await makeDue(database, "lot", userId, 1n);
  for await (const { account } of client.watchAccount({ userId })) {
    expect(account).toMatchObject({ sequence: 2n, balance: 7n, totalExpired: 5n });
    break;
  }
  const usage = quantity("image", 3n);
  expect(await client.quote({ userId, usage })).toMatchObject({ balance: 7n, sufficient: false });
  const { account } = await client.getOrCreate({ userId });
  expect(account).toMatchObject({ sequence: 3n, balance: 7n, totalExpired: 5n });
  expect(microsOf(account!.updateTime!)).toBeGreaterThan(0n);
});

test("unknown fields of protobuf are part of the request that an id stands for", async () => {
  const userId = "unknown";
  await server.client.recharge({ userId, points: 10n });
  const request = { userId, requestId: "c1", cost: points(1n) };
  await server.client.consume(request);
  const known = toBinary(ConsumeRequestSchema, create(ConsumeRequestSchema, request));
  const call = (...more: number[]) =>
    callGrpc(server.baseUrl, {
      method: "Consume",
      body: envelope(Uint8Array.from([...known, ...more])),
    });
  expect(await call()).toBeUndefined();
  // Field 127, a varint of 1.
  expect(readRefusal(await call(0xf8, 0x07, 0x01))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});
