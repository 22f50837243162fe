import { type Client, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { CalendarUnit } from "../../gen/points/v1/policy_pb.ts";
import { auditDatabase } from "../support/audit.ts";
import { refusalOf } from "../support/error-info.ts";
import { isPast, pricedServer } from "../support/priced-server.ts";
import { points, quantity, ttl, use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

const { CONSUME, FREEZE, SETTLE, REFUND } = EntryKind;

let server: TestServer;
let policies: Client<typeof PolicyService>;
beforeAll(async () => {
  server = await pricedServer();
  policies = createClient(PolicyService, server.transport);
});
afterAll(async () => {
  await auditDatabase(server.database.url);
  await server.stop();
});

type Asked = { points: bigint; member?: string; eachMember?: boolean; service?: string };

/** Puts a limit over all time. */
async function put(userId: string, name: string, of: Asked) {
  const window = { span: { case: "total", value: true } } as const;
  const rule = { case: "limit", value: { ...of, window } } as const;
  return policies.putPolicy({ userId, policy: { name, rule } });
}

test("a limit refuses with all that a product needs to say", async () => {
  const { client } = server;
  const userId = "refused";
  await client.recharge({ userId, points: 1_000n });
  const span = { case: "calendar", value: CalendarUnit.YEAR } as const;
  const value = { points: 50n, window: { span, timeZone: "Europe/Berlin" } };
  await policies.putPolicy({ userId, policy: { name: "year", rule: { case: "limit", value } } });
  await client.consume({ userId, cost: points(30n) });
  const [refusal, year] = await Promise.all([
    refusalOf(client.consume({ userId, cost: points(21n) })),
    client.consume({ userId, cost: points(1n) }).then(({ entry }) => berlinYear(entry!)),
  ]);
  expect(refusal).toMatchObject({
    code: "FailedPrecondition",
    reason: "LIMIT_EXCEEDED",
    outcome: "NOT_APPLIED",
    metadata: {
      limit: "year",
      points: "50",
      spent: "30",
      required: "21",
      resets_time: `${year}-12-31T23:00:00Z`,
    },
  });
  expect(refusal.message).toBe("21 points are required, and 30 of 50 of limit year are spent");
});

function berlinYear({ createTime }: { createTime?: { seconds: bigint } | undefined }): string {
  return new Intl.DateTimeFormat("en", { timeZone: "Europe/Berlin", year: "numeric" }).format(
    Number(createTime!.seconds) * 1000,
  );
}

test("a limit of all time says no time at which it ends, and TAKE stops at it", async () => {
  const { client } = server;
  const userId = "total";
  await client.recharge({ userId, points: 1_000n });
  await put(userId, "all", { points: 50n });
  const refusal = await refusalOf(client.consume({ userId, cost: points(51n) }));
  expect(refusal.metadata).toEqual({ limit: "all", points: "50", spent: "0", required: "51" });
  const taken = await client.consume({
    userId,
    cost: points(80n),
    onShortfall: Shortfall.TAKE,
  });
  expect(taken.entry).toMatchObject({ points: 50n, uncovered: 30n });
});

test("members of a team have limits of their own, and the statement says who spent", async () => {
  const { client } = server;
  const userId = "team";
  await client.recharge({ userId, points: 1_000n });
  await put(userId, "each", { points: 50n, eachMember: true });
  await put(userId, "pictures", { points: 20n, service: "image" });
  const { entry } = await client.consume({ userId, member: "bob", cost: points(30n) });
  expect(entry).toMatchObject({ member: "bob", points: 30n });
  const { hold, entry: frozen } = await client.freeze({ userId, member: "bob", cost: points(20n) });
  expect([hold!.member, frozen!.member]).toEqual(["bob", "bob"]);
  expect(
    await refusalOf(client.consume({ userId, member: "bob", cost: points(1n) })),
  ).toMatchObject({ reason: "LIMIT_EXCEEDED", metadata: { limit: "each", spent: "50" } });
  const [six, two] = [use(quantity("image", 6n)), use(quantity("image", 2n))];
  await client.consume({ userId, member: "eve", cost: six });
  expect(await refusalOf(client.consume({ userId, cost: two }))).toMatchObject({
    metadata: { limit: "pictures", spent: "18", required: "6" },
  });

  const settled = await client.settle({ userId, hold: hold!.number, cost: points(5n) });
  const { holds } = await client.listHolds({ userId });
  expect([settled.entry!.member, holds[0]!.member]).toEqual(["bob", "bob"]);
  const refund = { userId, sequence: settled.entry!.sequence };
  expect((await client.refund(refund)).entry).toMatchObject({ member: "bob", points: 5n });
  await client.consume({ userId, member: "bob", cost: points(20n) });
  const { entries } = await client.listEntries({ userId, member: "bob" });
  expect(entries.map(({ kind }) => kind)).toEqual([CONSUME, REFUND, SETTLE, FREEZE, CONSUME]);
  const first = await client.listEntries({ userId, member: "bob", pageSize: 2 });
  const next = { userId, member: "bob", pageSize: 2, pageToken: first.nextPageToken };
  const { entries: second } = await client.listEntries(next);
  expect(second.map(({ kind }) => kind)).toEqual([SETTLE, FREEZE]);
});

test("an extended hold keeps its member, for repeats too", async () => {
  const { client } = server;
  const userId = "extends";
  await client.recharge({ userId, points: 100n });
  const { hold } = await client.freeze({ userId, member: "bob", cost: points(5n) });
  const request = { userId, hold: hold!.number, more: points(5n), requestId: "more" };
  const answer = await client.extendHold(request);
  expect(answer.hold).toMatchObject({ member: "bob", points: 10n });
  expect(answer.entry!.member).toBe("bob");
  expect(await client.extendHold(request)).toEqual({ ...answer, replayed: true });
});

test("a quote shows the limits that it would meet, by name", async () => {
  const { client, database } = server;
  const userId = "quoted";
  await client.recharge({ userId, points: 1_000n });
  await put(userId, "b", { points: 50n, eachMember: true });
  await put(userId, "a", { points: 90n, service: "script" });
  await put(userId, "c", { points: 90n, service: "image" });
  const script = use({ service: "script" });
  await client.consume({ userId, member: "bob", cost: script });
  const cost = { userId, member: "bob", cost: script, expiration: ttl(1) };
  const { hold } = await client.freeze(cost);
  await expect.poll(() => isPast(database, "hold", userId, hold!.number)).toBe(true);
  const quoted = (member: string, service: string) =>
    client.quote({ userId, member, usage: { service, amount: quantity(service, 1n).amount } });
  const { limits, sufficient, shortfall } = await client.quote({
    userId,
    member: "bob",
    usage: { service: "script" },
  });
  expect({ sufficient, shortfall }).toEqual({ sufficient: true, shortfall: 0n });
  expect(limits).toMatchObject([
    { name: "a", points: 90n, spent: 5n },
    { name: "b", points: 50n, spent: 5n },
  ]);
  expect((await quoted("eve", "image")).limits).toMatchObject([
    { name: "b", spent: 0n },
    { name: "c", spent: 0n },
  ]);
  expect((await quoted("", "image")).limits).toMatchObject([{ name: "c", spent: 0n }]);
  expect((await client.quote({ usage: { service: "script" } })).limits).toEqual([]);
});

test("a member's name is checked", async () => {
  const { client } = server;
  const userId = "named";
  for (const member of ["x".repeat(129), "a\nb"]) {
    const refusals = await Promise.all([
      refusalOf(client.consume({ userId, member, cost: points(1n) })),
      refusalOf(client.freeze({ userId, member, cost: points(1n) })),
      refusalOf(client.quote({ userId, member, usage: { service: "script" } })),
      refusalOf(client.listEntries({ userId, member })),
    ]);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ reason: "FIELD_INVALID", fields: ["member"] });
    }
  }
});
