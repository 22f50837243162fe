import {
  type DescMessage,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import {
  DeletePolicyResponseSchema,
  PutPolicyResponseSchema,
} from "../../gen/points/v1/policies_pb.ts";
import {
  type AllowanceSchema,
  CalendarUnit,
  type LimitSchema,
  type PolicySchema,
  type WindowSchema,
} from "../../gen/points/v1/policy_pb.ts";
import { auditDatabase } from "../support/audit.ts";
import { refusalOf } from "../support/error-info.ts";
import { alertBelow, creditLine, points } from "../support/requests.ts";
import { serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";

const DAY_MS = 86_400_000;
const { DAY, MONTH } = CalendarUnit;

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(async () => {
  await auditDatabase(server.database.url);
  await server.stop();
});

/** Fields of a message, as requests are written. */
type Fields<Schema extends DescMessage> = Omit<
  Exclude<MessageInitShape<Schema>, Message>,
  "$typeName" | "$unknown"
>;

/** An allowance of 5 points a month. */
function monthly(of: Fields<typeof AllowanceSchema> = {}) {
  const value = { points: 5n, every: { count: 1, unit: MONTH }, ...of };
  return { name: "monthly", rule: { case: "allowance", value } } as const;
}

/** A limit of 5 points a day. */
function daily(of: Fields<typeof LimitSchema> = {}) {
  const window = { span: { case: "calendar", value: DAY } } as const;
  return { name: "daily", rule: { case: "limit", value: { points: 5n, window, ...of } } } as const;
}

describe("PutPolicy", () => {
  test("sets a policy by an entry of 0 points, and ListPolicies shows it", async () => {
    const { client } = server;
    const userId = "put";
    const metadata = { plan: "pro" };
    const put = await client.putPolicy({ userId, policy: creditLine(7n), metadata, actor: "Ana" });
    expect(put).toMatchObject({
      replayed: false,
      account: { userId, sequence: 1n, balance: 0n },
      entry: {
        sequence: 1n,
        kind: EntryKind.SET_POLICY,
        points: 0n,
        metadata,
        actor: "Ana",
        policy: creditLine(7n),
      },
    });
    await client.putPolicy({ userId, policy: alertBelow(3n) });
    const { policies } = await client.listPolicies({ userId });
    expect(policies).toMatchObject([
      { policy: creditLine(7n), sequence: 1n },
      { policy: alertBelow(3n), sequence: 2n },
    ]);
  });

  test("says what a rule leaves out: now, UTC, one period", async () => {
    const { client } = server;
    const userId = "defaults";
    const { entry } = await client.putPolicy({ userId, policy: monthly({ every: { unit: DAY } }) });
    expect(entry!.policy!.rule.value).toMatchObject({
      every: { count: 1, unit: DAY },
      startTime: entry!.createTime!,
      timeZone: "UTC",
      expiration: { case: "periods", value: 1 },
    });
  });

  test("that starts an allowance now has given its first points when it is answered", async () => {
    const { client } = server;
    const userId = "gives";
    const { entry, account } = await client.putPolicy({ userId, policy: monthly() });
    expect(account).toMatchObject({ balance: 0n, sequence: 1n });
    const { entries } = await client.listEntries({ userId });
    const given = { kind: EntryKind.RECHARGE, points: 5n, cause: "monthly", requestId: "" };
    expect(entries).toMatchObject([{ ...given, createTime: entry!.createTime! }, { sequence: 1n }]);
    const { policies } = await client.listPolicies({ userId });
    expect(policies[0]!.nextTime!.seconds).toBeGreaterThan(entry!.createTime!.seconds);
  });

  test("shows where a limit stands", async () => {
    const { client } = server;
    const userId = "stands";
    await client.recharge({ userId, points: 100n });
    await client.putPolicy({ userId, policy: daily() });
    const total = { span: { case: "total", value: true } } as const;
    await client.putPolicy({ userId, policy: { ...daily({ window: total }), name: "total" } });
    await client.consume({ userId, cost: points(4n) });
    const { policies } = await client.listPolicies({ userId });
    expect(policies.map(({ spent }) => spent)).toEqual([4n, 4n]);
    expect(policies[0]!.resetsTime).toBeDefined();
    expect(policies[1]!.resetsTime).toBeUndefined();
  });

  test("repeated is answered as before, to the byte, whatever was put since", async () => {
    const { client } = server;
    const request = { userId: "repeat", requestId: "r1", policy: monthly() };
    const bytes = (answer: Awaited<ReturnType<typeof client.putPolicy>>) =>
      Buffer.from(toBinary(PutPolicyResponseSchema, { ...answer, replayed: true })).toString("hex");
    const first = await client.putPolicy(request);
    await client.putPolicy({ userId: "repeat", policy: monthly({ points: 9n }) });
    const again = await client.putPolicy(request);
    expect(again.replayed).toBe(true);
    expect(bytes(again)).toBe(bytes(first));
    const other = { ...request, policy: monthly({ points: 6n }) };
    expect(await refusalOf(client.putPolicy(other))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  test("that is only validated keeps nothing, not even an account", async () => {
    const { client, database } = server;
    const request = { userId: "trial", requestId: "r1", policy: monthly(), validateOnly: true };
    expect(await client.putPolicy(request)).toMatchObject({ entry: { sequence: 1n } });
    expect(await refusalOf(client.listPolicies({ userId: "trial" }))).toMatchObject({
      reason: "ACCOUNT_NOT_FOUND",
    });
    const rows = await database.query("select from points.policy where user_id = 'trial'");
    expect(rows).toEqual([]);
    const kept = await client.putPolicy({ ...request, validateOnly: false });
    expect(kept).toMatchObject({ replayed: false });
  });

  test("leaves to GetOrCreate what it answers", async () => {
    const { client } = server;
    await client.putPolicy({ userId: "opened", policy: creditLine(1n) });
    const { account, created } = await client.getOrCreate({ userId: "opened" });
    expect(created).toBe(false);
    expect(account).toMatchObject({ balance: 0n, sequence: 1n });
    expect(await client.getOrCreate({ userId: "new" })).toMatchObject({ created: true });
    expect((await client.listPolicies({ userId: "new" })).policies).toEqual([]);
  });
});

describe("DeletePolicy", () => {
  test("ends a policy by an entry without a rule, once", async () => {
    const { client } = server;
    const userId = "delete";
    await client.putPolicy({ userId, policy: creditLine(7n) });
    const request = { userId, requestId: "r1", name: "credit" };
    const ended = await client.deletePolicy(request);
    const policy = { name: "credit", rule: { case: undefined } };
    expect(ended.entry).toMatchObject({ kind: EntryKind.SET_POLICY, points: 0n, policy });
    expect((await client.listPolicies({ userId })).policies).toEqual([]);
    const again = await client.deletePolicy(request);
    const bytes = (answer: typeof ended) => toBinary(DeletePolicyResponseSchema, answer);
    expect(bytes({ ...again, replayed: false })).toEqual(bytes(ended));
    expect(await refusalOf(client.deletePolicy({ userId, name: "credit" }))).toMatchObject({
      code: "NotFound",
      reason: "POLICY_NOT_FOUND",
      outcome: "NOT_APPLIED",
      metadata: { name: "credit" },
    });
  });
});

test("policies are set and ended in a batch, in the order of its operations", async () => {
  const { client } = server;
  const userId = "batch";
  const consume = { userId, cost: points(5n), onShortfall: Shortfall.OWE };
  const deletePolicy = { case: "deletePolicy", value: { userId, name: "credit" } } as const;
  const putPolicy = { case: "putPolicy", value: { userId, policy: creditLine(5n) } } as const;
  const { results } = await client.applyBatch({
    operations: [
      { operation: putPolicy },
      { operation: { case: "consume", value: consume } },
      { operation: deletePolicy },
      { operation: deletePolicy },
    ],
  });
  expect(results.map(({ result }) => result.case)).toEqual([
    "putPolicy",
    "consume",
    "deletePolicy",
    "error",
  ]);
  const { account } = await client.getAccount({ userId });
  expect(account).toMatchObject({ debt: 5n, sequence: 3n });
});

test("an alert is on the answer of the charge that set it off, and on each repeat of it", async () => {
  const { client } = server;
  const userId = "alert";
  await client.recharge({ userId, points: 10n });
  await client.putPolicy({ userId, policy: alertBelow(6n) });
  const charge = { userId, requestId: "r1", cost: points(5n) };
  for (const replayed of [false, true]) {
    const answer = await client.consume(charge);
    expect(answer).toMatchObject({ replayed, entry: { alerts: ["low"] } });
  }
  expect((await client.consume({ userId, cost: points(1n) })).entry!.alerts).toEqual([]);
});

test("a caller without points.policy sets none, alone or in a batch", async () => {
  const { client } = await serveApp(server.database, { scopes: ["points.grant", "points.read"] });
  const value = { userId: "scoped", policy: creditLine(1n) };
  const denied = { reason: "PERMISSION_DENIED", metadata: { scope: "points.policy" } };
  expect(await refusalOf(client.putPolicy(value))).toMatchObject(denied);
  expect(await refusalOf(client.deletePolicy({ userId: "scoped", name: "x" }))).toMatchObject(
    denied,
  );
  const { results } = await client.applyBatch({
    operations: [{ operation: { case: "putPolicy", value } }],
  });
  expect(results[0]!.result.case).toBe("error");
});

describe("a policy is refused with FIELD_INVALID that names the field:", () => {
  const every = { count: 1, unit: MONTH };
  const at = (ms: number) => timestampFromMs(Date.now() + ms);
  const named = (name: string) => ({ ...creditLine(1n), name });
  type Case = [
    title: string,
    policy: MessageInitShape<typeof PolicySchema> | undefined,
    field: string,
  ];
  const inWindow = (window: MessageInitShape<typeof WindowSchema> | undefined) =>
    daily({ window: window! });
  const cases: Case[] = [
    ["none", undefined, "policy"],
    ["no rule", { name: "x" }, "policy.rule"],
    ["no name", named(""), "policy.name"],
    ["a name with a space", named("a b"), "policy.name"],
    ["a name of 65 characters", named("a".repeat(65)), "policy.name"],
    ["an allowance of 0 points", monthly({ points: 0n }), "policy.allowance.points"],
    ["one of too many", monthly({ points: 10n ** 12n + 1n }), "policy.allowance.points"],
    [
      "one without a period",
      { name: "x", rule: { case: "allowance", value: { points: 1n } } },
      "policy.allowance.every",
    ],
    [
      "one every 1,001 months",
      monthly({ every: { ...every, count: 1_001 } }),
      "policy.allowance.every.count",
    ],
    [
      "one every unknown unit",
      monthly({ every: { count: 1, unit: 9 as CalendarUnit } }),
      "policy.allowance.every.unit",
    ],
    ["one every nothing", monthly({ every: { count: 1 } }), "policy.allowance.every.unit"],
    [
      "one that lives for 0 periods",
      monthly({ expiration: { case: "periods", value: 0 } }),
      "policy.allowance.periods",
    ],
    [
      "one that lives for 101",
      monthly({ expiration: { case: "periods", value: 101 } }),
      "policy.allowance.periods",
    ],
    [
      "one with a ttl of 0",
      monthly({ expiration: { case: "ttl", value: { seconds: 0n, nanos: 999 } } }),
      "policy.allowance.ttl",
    ],
    [
      "one with a ttl longer than protobuf has",
      monthly({ expiration: { case: "ttl", value: { seconds: 315_576_000_001n, nanos: 0 } } }),
      "policy.allowance.ttl",
    ],
    [
      "one that never expires not",
      monthly({ expiration: { case: "never", value: false } }),
      "policy.allowance.never",
    ],
    ["one of a priority above 1,000", monthly({ priority: 1_001 }), "policy.allowance.priority"],
    ["one of a long category", monthly({ category: "x".repeat(33) }), "policy.allowance.category"],
    ["one for a service twice", monthly({ services: ["a", "a"] }), "policy.allowance.services"],
    [
      "one for services of 257 bytes",
      monthly({ services: ["a".repeat(128), "b".repeat(128), "c"] }),
      "policy.allowance.services",
    ],
    [
      "one that began a day ago",
      monthly({ startTime: at(-DAY_MS) }),
      "policy.allowance.start_time",
    ],
    [
      "one that starts in the year 10000",
      monthly({ startTime: { seconds: 253_402_300_800n } }),
      "policy.allowance.start_time",
    ],
    [
      "one that ends before it starts",
      monthly({ startTime: at(2 * DAY_MS), endTime: at(DAY_MS) }),
      "policy.allowance.end_time",
    ],
    [
      "one in a time zone that there is not",
      monthly({ timeZone: "Europe/Atlantis" }),
      "policy.allowance.time_zone",
    ],
    [
      "one in a zone of 65 bytes",
      monthly({ timeZone: "x".repeat(65) }),
      "policy.allowance.time_zone",
    ],
    ["a limit of -1", daily({ points: -1n }), "policy.limit.points"],
    ["one of too many points", daily({ points: 2n ** 53n }), "policy.limit.points"],
    ["one without a window", inWindow(undefined), "policy.limit.window"],
    ["one of a window without a span", inWindow({}), "policy.limit.window.span"],
    [
      "one of a window of nothing",
      inWindow({ span: { case: "calendar", value: 0 } }),
      "policy.limit.window.calendar",
    ],
    [
      "one of a total in a time zone",
      inWindow({ span: { case: "total", value: true }, timeZone: "UTC" }),
      "policy.limit.window.time_zone",
    ],
    [
      "one in a time zone that there is not",
      inWindow({ span: { case: "calendar", value: DAY }, timeZone: "Berlin" }),
      "policy.limit.window.time_zone",
    ],
    ["one of a member with a tab", daily({ member: "a\tb" }), "policy.limit.member"],
    [
      "one of a member and of each",
      daily({ member: "bea", eachMember: true }),
      "policy.limit.each_member",
    ],
    ["one of a service with a space", daily({ service: "a b" }), "policy.limit.service"],
    ["an alert below too little", alertBelow(-(2n ** 53n)), "policy.alert.below"],
    ["an alert below too much", alertBelow(2n ** 53n), "policy.alert.below"],
    ["a credit line of -1", creditLine(-1n), "policy.credit_line.points"],
    ["a credit line of too much", creditLine(2n ** 53n), "policy.credit_line.points"],
  ];
  test.each(cases)("%s", async (_, policy, field) => {
    const { client, database } = server;
    const request = { userId: "bad", ...(policy && { policy }) };
    expect(await refusalOf(client.putPolicy(request))).toMatchObject({
      code: "InvalidArgument",
      reason: "FIELD_INVALID",
      outcome: "NOT_APPLIED",
      fields: [field],
    });
    expect(await database.query("select from points.account where user_id = 'bad'")).toEqual([]);
  });

  test("one of another kind under the same name", async () => {
    const { client } = server;
    await client.putPolicy({ userId: "kinds", policy: creditLine(1n, "x") });
    const put = client.putPolicy({ userId: "kinds", policy: alertBelow(1n, "x") });
    expect(await refusalOf(put)).toMatchObject({ reason: "FIELD_INVALID", fields: ["policy"] });
  });

  test("a 33rd is ACCOUNT_FULL", async () => {
    const { client } = server;
    const put = (name: string) => client.putPolicy({ userId: "full", policy: named(name) });
    for (let made = 0; made < 32; made += 1) await put(`p-${made}`);
    expect(await refusalOf(put("another"))).toMatchObject({
      code: "FailedPrecondition",
      reason: "ACCOUNT_FULL",
      metadata: { full: "policies", limit: "32" },
    });
    await put("p-9");
  });
});

test("a limit may be on a service that no price list has yet", async () => {
  const { client } = server;
  const policy = daily({ service: "not-yet" });
  expect(await client.putPolicy({ userId: "not-yet", policy })).toMatchObject({
    entry: { policy },
  });
});

test("policies are there after a restart, and where they stand", async () => {
  const first = await testServer({}, server.database);
  const userId = "restart";
  await first.client.recharge({ userId, points: 100n });
  for (const policy of [monthly(), daily(), alertBelow(9n), creditLine(3n)]) {
    await first.client.putPolicy({ userId, policy });
  }
  await first.client.consume({ userId, cost: points(2n) });
  const before = await first.client.listPolicies({ userId });
  await first.stop();
  const second = await testServer({}, server.database);
  onTestFinished(() => second.stop());
  expect(await second.client.listPolicies({ userId })).toEqual(before);
});
