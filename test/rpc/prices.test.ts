import { afterAll, beforeAll, expect, test } from "vitest";
import type { Usage } from "../../gen/points/v1/prices_pb.ts";
import { expectEquations } from "../support/equations.ts";
import { refusalOf } from "../support/error-info.ts";
import { pricedServer } from "../support/priced-server.ts";
import { use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

// Three lists, of which the second is in force.
const PRICES = `lists:
  - { version: old, services: { it: { fixed: 1 } } }
  - version: now
    from: 2020-01-01T00:00:00Z
    services:
      it: { fixed: 18 }
      chat:
        metered:
          meters:
            - { points: 3, per: 1000, of: input }
            - { points: 2, of: duration, unit: 1s }
          maximum: 50
        rows: [{ when: { plan: vip }, factor: 4/5 }]
  - { version: later, from: 2999-01-01T00:00:00Z, services: { it: { fixed: 1000 } } }
`;

let server: TestServer;
beforeAll(async () => {
  server = await pricedServer(PRICES);
});
afterAll(async () => {
  await expectEquations(server.database);
  await server.stop();
});

const meters = (input: bigint) => ({ input, unpriced: 7n });
const seconds = (nanos: number) =>
  ({ case: "duration", value: { seconds: 4n, nanos } }) as Usage["amount"];
const VIP = { plan: "vip", colour: "red" };
/** 4.8 points for 1,600 of input, and 10 for five started seconds, of which a VIP pays 4/5. */
const CHAT = { service: "chat", amount: seconds(1), meters: meters(1_600n), attributes: VIP };
const CALCULATION = {
  when: { plan: "vip" },
  meters: [
    { of: "input", amount: 1_600n, points: 3n, per: 1_000n },
    { of: "duration", amount: 5n, points: 2n, per: 1n, unit: { seconds: 1n } },
  ],
  factor: "4/5",
  minimum: 0n,
  maximum: 0n,
};

test("a charge by meters says for ever how its points came about", async () => {
  const { client, database } = server;
  const userId = "chat";
  await client.recharge({ userId, points: 100n });
  const request = { userId, requestId: "once", cost: use(CHAT) };
  const first = await client.consume(request);
  const { service, amount, attributes } = CHAT;
  expect(first.entry).toMatchObject({
    points: 12n,
    usage: {
      service,
      amount,
      attributes,
      meters: CHAT.meters,
      priceVersion: "now",
      calculation: CALCULATION,
    },
  });
  expect(await client.getEntry({ userId, by: { case: "sequence", value: 2n } })).toMatchObject({
    entry: first.entry,
  });
  expect(await client.consume(request)).toEqual({ ...first, replayed: true });

  const [row] = await database.query(
    "select pricing from points.journal where user_id = $1 and sequence = 2",
    [userId],
  );
  expect(row).toMatchObject({
    pricing: {
      meters: { input: "1600", unpriced: "7" },
      calculation: { when: { plan: "vip" }, factor: "4/5" },
    },
  });
});

test("a repeat may have its meters and attributes in another order", async () => {
  const { client } = server;
  const userId = "order";
  await client.recharge({ userId, points: 100n });
  const backwards = <T>(map: Record<string, T>) =>
    Object.fromEntries(Object.entries(map).toReversed());
  const other = { meters: backwards(CHAT.meters), attributes: backwards(VIP) };
  expect(Object.keys(other.meters)).not.toEqual(Object.keys(CHAT.meters));
  const request = { userId, requestId: "once" };
  const first = await client.freeze({ ...request, cost: use(CHAT) });
  const repeat = await client.freeze({ ...request, cost: use({ ...CHAT, ...other }) });
  expect(repeat).toEqual({ ...first, replayed: true });
  const more = { ...CHAT, meters: { ...CHAT.meters, unpriced: 8n } };
  expect(await refusalOf(client.freeze({ ...request, cost: use(more) }))).toMatchObject({
    reason: "REQUEST_ID_REUSED",
  });
});

test("the maximum is told if it took effect", async () => {
  const userId = "maximum";
  await server.client.recharge({ userId, points: 100n });
  const dear = { ...CHAT, meters: meters(1_000_000n) };
  const { entry } = await server.client.freeze({ userId, cost: use(dear) });
  expect(entry).toMatchObject({ points: 50n, usage: { calculation: { maximum: 50n } } });
});

test("Quote says how the points come about", async () => {
  const quote = await server.client.quote({ usage: CHAT });
  expect(quote).toMatchObject({ points: 12n, priceVersion: "now", calculation: CALCULATION });
  const fixed = await server.client.quote({ usage: { service: "it" } });
  expect(fixed).toMatchObject({ points: 18n, priceVersion: "now" });
  expect(fixed.calculation).toBeUndefined();
});

test("GetPriceList has the list in force, and all lists as the file has them", async () => {
  const list = await server.client.getPriceList({});
  expect(list.priceVersion).toBe("now");
  expect(list.prices.map(({ service }) => service)).toEqual(["chat", "it"]);
  expect(list.lists).toMatchObject([
    { version: "old", services: { it: { charge: { value: { points: 1n } } } } },
    { version: "now", services: { chat: { rows: [{ factor: "4/5" }] } } },
    { version: "later", fromTime: { seconds: BigInt(Date.UTC(2999, 0, 1)) / 1_000n } },
  ]);
});

test("a charge finds its lots by the list in force, whatever the other lists say", async () => {
  const userId = "lots";
  for (let lot = 0; lot < 20; lot += 1) await server.client.recharge({ userId, points: 1n });
  const { entry } = await server.client.consume({ userId, cost: use({ service: "it" }) });
  expect(entry).toMatchObject({ points: 18n, usage: { priceVersion: "now" } });
  expect(entry!.allocations).toHaveLength(18);
});

const many = Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`m${at}`, 1n]));
const texts = Object.fromEntries(Object.keys(many).map((name) => [name, "x"]));
test.each<[title: string, usage: object, field: string]>([
  ["a meter that the price counts is missing", { ...CHAT, meters: {} }, 'usage.meters["input"]'],
  ["a meter is negative", { ...CHAT, meters: { input: -1n } }, 'usage.meters["input"]'],
  [
    "a meter is past 10^12",
    { ...CHAT, meters: { input: 10n ** 12n + 1n } },
    'usage.meters["input"]',
  ],
  ["a meter has no name", { ...CHAT, meters: { ...CHAT.meters, "": 1n } }, 'usage.meters[""]'],
  ["there are 17 meters", { ...CHAT, meters: many }, "usage.meters"],
  ["there are 17 attributes", { ...CHAT, attributes: texts }, "usage.attributes"],
  ["an attribute has a space", { ...CHAT, attributes: { a: "b c" } }, 'usage.attributes["a"]'],
  ["the duration is missing", { ...CHAT, amount: { case: undefined } }, "usage.duration"],
])("a charge is refused with its field if %s", async (_, usage, field) => {
  await server.client.getOrCreate({ userId: "refused" });
  const call = server.client.consume({ userId: "refused", cost: use(usage as never) });
  expect(await refusalOf(call)).toMatchObject({ reason: "FIELD_INVALID", fields: [field] });
  const { account } = await server.client.getOrCreate({ userId: "refused" });
  expect(account!.sequence).toBe(0n);
});
