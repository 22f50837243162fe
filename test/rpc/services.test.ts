import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectEquations } from "../support/equations.ts";
import { refusalOf } from "../support/error-info.ts";
import { makeDue, pricedServer } from "../support/priced-server.ts";
import { duration, points, ttl, use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

// Lots with a category, and lots that only usage of some services may take, by the API.

let server: TestServer;
beforeAll(async () => {
  server = await pricedServer();
});
afterAll(async () => {
  await expectEquations(server.database);
  await server.stop();
});

const TTS = duration("tts", 8n);

test("only usage of a lot's services takes its points", async () => {
  const userId = "scoped";
  const { client } = server;
  const words = { category: "gift", services: ["script", "tts"] };
  const { entry } = await client.recharge({ userId, points: 10n, ...words });
  expect(entry).toMatchObject(words);
  await client.recharge({ userId, points: 5n, priority: 0, expiration: ttl(3_600_000) });
  expect((await client.listLots({ userId })).lots).toMatchObject([
    { number: 1n, remaining: 10n, ...words },
    { number: 2n, remaining: 5n, category: "", services: [] },
  ]);
  expect(await refusalOf(client.consume({ userId, cost: points(6n) }))).toMatchObject({
    reason: "INSUFFICIENT_POINTS",
    metadata: { balance: "15", usable: "5", required: "6", shortfall: "1" },
  });
  const spent = await client.consume({ userId, cost: use(TTS) });
  expect(spent.entry!.allocations).toMatchObject([{ lot: 1n, points: 8n }]);
  const named = await client.consume({ userId, cost: points(1n) });
  expect(named.entry!.allocations).toMatchObject([{ lot: 2n, points: 1n }]);
});

test("an expiry of points takes in burn order, whatever the lots are for", async () => {
  const userId = "expired";
  await server.client.recharge({ userId, points: 5n });
  await server.client.recharge({ userId, points: 5n, services: ["script"] });
  const { entry } = await server.client.expire({ userId, target: points(7n) });
  expect(entry!.allocations).toMatchObject([
    { lot: 2n, points: 5n },
    { lot: 1n, points: 2n },
  ]);
});

test("a refund makes one lot, for the services of all lots that it replaces", async () => {
  const userId = "reissued";
  const { client, database } = server;
  const expiration = ttl(3_600_000);
  const lots = [
    { services: ["tts", "script", "image"], category: "gift" },
    { services: ["image", "tts"], category: "gift" },
    { services: [], category: "gift" },
  ];
  for (const lot of lots) await client.recharge({ userId, points: 3n, expiration, ...lot });
  const { entry } = await client.consume({ userId, cost: use(TTS) });
  for (const number of [1n, 2n, 3n]) await makeDue(database, "lot", userId, number);
  const life = { seconds: 3_600n, nanos: 0 };
  const { sequence } = entry!;
  const refunded = await client.refund({ userId, sequence, reissueTtl: life });
  const made = { category: "gift", services: ["image", "tts"] };
  expect(refunded.entry).toMatchObject(made);
  const read = await client.listLots({ userId });
  expect(read.lots).toMatchObject([{ points: 8n, remaining: 8n, ...made }]);
});

test("a quote says what the service may use", async () => {
  const userId = "quoted";
  await server.client.recharge({ userId, points: 7n, services: ["script"] });
  await server.client.recharge({ userId, points: 6n });
  expect(await server.client.quote({ userId, usage: TTS })).toMatchObject({
    points: 8n,
    balance: 13n,
    usable: 6n,
    sufficient: false,
    shortfall: 2n,
  });
  expect(await server.client.quote({ userId, usage: { service: "script" } })).toMatchObject({
    balance: 13n,
    usable: 13n,
    sufficient: true,
    shortfall: 0n,
  });
});

test("pages of lots neither skip nor repeat one, with services or without", async () => {
  const userId = "paged";
  const services = [["tts"], [], ["script"], [], ["tts", "script"], []];
  for (const some of services) await server.client.recharge({ userId, points: 1n, services: some });
  const numbers: bigint[] = [];
  let pageToken = "";
  do {
    const page = await server.client.listLots({ userId, pageSize: 2, pageToken });
    numbers.push(...page.lots.map(({ number }) => number));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(numbers).toEqual([1n, 3n, 5n, 2n, 4n, 6n]);
});

describe("a recharge is refused, and nothing changes, if", () => {
  const cases: [title: string, lot: object, field: string][] = [
    ["its category has 33 characters", { category: "ä".repeat(33) }, "category"],
    ["its category has a control character", { category: "a\nb" }, "category"],
    ["a service has a space in its name", { services: ["tts", "a b"] }, "services[1]"],
    ["a service has no name", { services: [""] }, "services[0]"],
    ["a service has a name that is no ASCII", { services: ["für"] }, "services[0]"],
    ["a service is named twice", { services: ["tts", "script", "tts"] }, "services"],
    [
      "it names 17 services",
      { services: Array.from({ length: 17 }, (_, at) => `s${at}`) },
      "services",
    ],
    [
      "its services have 257 bytes",
      { services: ["x".repeat(128), "y".repeat(128), "z"] },
      "services",
    ],
  ];
  test.each(cases)("%s", async (_, lot, field) => {
    const refused = server.client.recharge({ userId: "refused", points: 1n, ...lot });
    expect(await refusalOf(refused)).toMatchObject({ reason: "FIELD_INVALID", fields: [field] });
    const none = server.client.listLots({ userId: "refused" });
    expect(await refusalOf(none)).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
  });

  test("but not at the limits", async () => {
    const services = ["x".repeat(128), "y".repeat(128)];
    const request = { userId: "limits", points: 1n, category: "ä🪙".repeat(16), services };
    expect((await server.client.recharge(request)).entry).toMatchObject({
      category: request.category,
      services,
    });
  });
});
