import { rm } from "node:fs/promises";
import { toBinary, create } from "@bufbuild/protobuf";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ConsumeRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { ANYBODY, SCOPES } from "../../src/auth/caller.ts";
import { denialOfMethod } from "../../src/auth/rules.ts";
import { verify } from "../../src/verify/verify.ts";
import { METHODS } from "../support/api.ts";
import { tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { exchange } from "../support/exchange.ts";
import { temporaryFolder } from "../support/processes.ts";
import { callConnectProto, callGrpcWeb, callJson, envelope } from "../support/raw-call.ts";
import { alertBelow, bySequence, points } from "../support/requests.ts";
import { makeFolder } from "../support/run-folder.ts";
import { sending } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { clientOf, fastPathCalls, viaConnect, withQuery } from "../support/via-connect.ts";

const CALLERS = {
  reader: { scopes: ["points.read"] },
  spender: { scopes: ["points.spend"] },
  refunder: { scopes: ["points.refund"] },
  granter: { scopes: ["points.grant"] },
  revoker: { scopes: ["points.revoke"] },
  planner: { scopes: ["points.policy"] },
  auditor: { scopes: ["points.audit"] },
  all: { scopes: [...SCOPES] },
  eu: { scopes: [...SCOPES], prefix: "eu-" },
  small: { scopes: [...SCOPES], maxPoints: 10 },
};

let folder: string;
let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  folder = await makeFolder("access");
  const environment = await writeCallers(folder, CALLERS);
  server = await testServer(environment, database);
  const all = as("all");
  await all.recharge({ userId: "ada", points: 1_000n });
  await all.recharge({ userId: "eu-bob", points: 1_000n });
});
afterAll(async () => {
  await server.stop();
  await database.close();
  await rm(folder, { recursive: true });
});

/** The interceptors of a client whose calls the fast path answers, or Connect's adapter. */
const WAYS = [[], [viaConnect]];

function as(name: string | undefined, way: Interceptor[] = [], at: TestServer = server) {
  return clientOf(at, name === undefined ? way : [sending(tokenOf(name)), ...way]);
}

type Method = keyof typeof METHODS;

/** A call of each method, about a user. Its result does not matter, only its admission. */
const CALLS: Record<Method, (client: ReturnType<typeof as>, userId: string) => Promise<unknown>> = {
  getOrCreate: (client, userId) => client.getOrCreate({ userId }),
  getAccount: (client, userId) => client.getAccount({ userId }),
  recharge: (client, userId) => client.recharge({ userId, points: 1n }),
  consume: (client, userId) => client.consume({ userId, cost: points(1n) }),
  expire: (client, userId) => client.expire({ userId, target: { case: "due", value: true } }),
  revoke: (client, userId) => client.revoke({ userId, target: { case: "lot", value: 999n } }),
  freeze: (client, userId) => client.freeze({ userId, cost: points(1n) }),
  extendHold: (client, userId) => client.extendHold({ userId, hold: 999n, more: points(1n) }),
  settle: (client, userId) => client.settle({ userId, hold: 999n }),
  release: (client, userId) => client.release({ userId, hold: 999n }),
  refund: (client, userId) => client.refund({ userId, sequence: 999n }),
  quote: (client, userId) => client.quote({ userId, usage: { service: "script" } }),
  getPriceList: (client) => client.getPriceList({}),
  applyBatch: (client, userId) => client.applyBatch({ operations: [operation("consume", userId)] }),
  apply: async (client, userId) => {
    const requests = async function* () {
      yield { tag: "1", operation: operation("consume", userId) };
    };
    for await (const _ of client.apply(requests()));
  },
  getEntry: (client, userId) => client.getEntry({ userId, by: bySequence(1n) }),
  listEntries: (client, userId) => client.listEntries({ userId }),
  listLots: (client, userId) => client.listLots({ userId }),
  listHolds: (client, userId) => client.listHolds({ userId }),
  getForecast: (client, userId) =>
    client.getForecast({ userId, until: { seconds: 4_000_000_000n } }),
  watchAccount: async (client, userId) => {
    for await (const _ of client.watchAccount({ userId })) return;
  },
  putPolicy: (client, userId) => client.putPolicy({ userId, policy: alertBelow(1n) }),
  deletePolicy: (client, userId) => client.deletePolicy({ userId, name: "none" }),
  listPolicies: (client, userId) => client.listPolicies({ userId }),
  getLedger: (client) => client.getLedger({}),
  streamEntries: async (client, userId) => {
    for await (const _ of client.streamEntries({ userIdPrefix: userId })) return;
  },
  listAccounts: (client, userIdPrefix) => client.listAccounts({ userIdPrefix }),
  searchEntries: (client, userIdPrefix) =>
    client.searchEntries({ userIdPrefix, by: { case: "actor", value: "nobody" } }),
  summarize: (client, userId) => client.summarize({ of: { case: "userId", value: userId } }),
  listExpiring: (client, userIdPrefix) =>
    client.listExpiring({ userIdPrefix, within: { seconds: 60n } }),
  getOverview: (client) => client.getOverview({}),
};

function operation(kind: "consume" | "recharge", userId: string) {
  return kind === "consume"
    ? { operation: { case: kind, value: { userId, cost: points(1n) } } }
    : { operation: { case: kind, value: { userId, points: 1n } } };
}

/** The reason why a call was refused; undefined: it was admitted. */
async function keptOut(call: Promise<unknown>) {
  const [result] = await Promise.allSettled([call]);
  if (result.status === "fulfilled") return undefined;
  const { code, reason, outcome } = readRefusal(result.reason);
  const isAccess = code === "Unauthenticated" || code === "PermissionDenied";
  return isAccess ? { code, reason, outcome } : undefined;
}

const DENIED = { code: "PermissionDenied", reason: "PERMISSION_DENIED", outcome: "NOT_APPLIED" };
const UNKNOWN = { code: "Unauthenticated", reason: "UNAUTHENTICATED", outcome: "NOT_APPLIED" };

const CHANGERS = ["spender", "refunder", "granter", "revoker", "planner"];
const ALLOWED: Record<Method, string[]> = {
  getOrCreate: ["reader", ...CHANGERS],
  getAccount: ["reader", "spender"],
  recharge: ["granter"],
  consume: ["spender"],
  expire: ["revoker"],
  revoke: ["revoker"],
  freeze: ["spender"],
  extendHold: ["spender"],
  settle: ["spender"],
  release: ["spender"],
  refund: ["refunder"],
  quote: ["reader", "spender"],
  getPriceList: ["reader", "spender"],
  applyBatch: CHANGERS,
  apply: CHANGERS,
  getEntry: ["reader", "spender"],
  listEntries: ["reader"],
  listLots: ["reader"],
  listHolds: ["reader", "spender"],
  getForecast: ["reader", "spender"],
  watchAccount: ["reader"],
  putPolicy: ["planner"],
  deletePolicy: ["planner"],
  listPolicies: ["reader", "spender", "planner"],
  getLedger: ["reader", "auditor", ...CHANGERS],
  streamEntries: ["auditor"],
  listAccounts: ["auditor"],
  searchEntries: ["auditor"],
  summarize: ["auditor"],
  listExpiring: ["auditor"],
  getOverview: ["auditor"],
};
const NAMES = Object.keys(ALLOWED) as Method[];
const OF_NO_USER = new Set<Method>([
  "getPriceList",
  "getLedger",
  "applyBatch",
  "apply",
  "getOverview",
]);

describe("each method", () => {
  test("has a rule, and a method without one is denied to everybody", () => {
    expect(NAMES.toSorted()).toEqual(Object.keys(METHODS).toSorted());
    expect(denialOfMethod(ANYBODY, "/points.v1.PointsService/Steal")).toBeDefined();
    expect(denialOfMethod(ANYBODY, "/points.v1.Other/Consume")).toBeDefined();
    expect(denialOfMethod(ANYBODY, "toString")).toBeDefined();
  });

  test.each(NAMES)("%s takes its scope", async (method) => {
    for (const way of WAYS) {
      expect(await keptOut(CALLS[method](as(undefined, way), "ada"))).toEqual(UNKNOWN);
      for (const name of ["reader", "auditor", ...CHANGERS]) {
        const expected = ALLOWED[method].includes(name) ? undefined : DENIED;
        expect({ name, kept: await keptOut(CALLS[method](as(name, way), "ada")) }).toEqual({
          name,
          kept: expected,
        });
      }
      expect(await keptOut(CALLS[method](as("all", way), "ada"))).toBeUndefined();
    }
  });

  const ofUsers = NAMES.filter((method) => !OF_NO_USER.has(method));
  test.each(ofUsers)("%s keeps a caller to their users, known or not", async (method) => {
    for (const way of WAYS) {
      const client = as("eu", way);
      expect(await keptOut(CALLS[method](client, "eu-bob"))).toBeUndefined();
      for (const userId of ["ada", "nobody", "eu", "EU-bob", "x-eu-bob"]) {
        expect(await keptOut(CALLS[method](client, userId))).toEqual(DENIED);
      }
    }
    expect(await database.query("select from points.account where user_id = 'nobody'")).toEqual([]);
  });

  test("about all users is denied to callers that are kept to some", async () => {
    for (const way of WAYS)
      expect(await keptOut(CALLS.getOverview(as("eu", way), ""))).toEqual(DENIED);
  });

  test("about no user is open to callers that are kept to some users", async () => {
    const client = as("eu");
    await client.getPriceList({});
    await client.quote({ usage: { service: "script" } });
  });
});

describe("a caller who may move 10 points by an operation", () => {
  const userId = "capped";
  beforeAll(async () => {
    await as("all").recharge({ userId, points: 1_000n });
    await as("all").consume({ userId, cost: points(20n) });
    await as("all").freeze({ userId, cost: points(11n) });
  });
  const [lot, consumed, hold] = [1n, 2n, 3n];
  const calls: [string, (client: ReturnType<typeof as>) => Promise<unknown>, required: string][] = [
    ["Recharge", (client) => client.recharge({ userId, points: 11n }), "11"],
    ["Consume", (client) => client.consume({ userId, cost: points(11n) }), "11"],
    [
      "Consume of more than there is, as it is known first",
      (client) => client.consume({ userId, cost: points(9_999n) }),
      "9999",
    ],
    ["Freeze", (client) => client.freeze({ userId, cost: points(11n) }), "11"],
    ["Settle of all of a hold", (client) => client.settle({ userId, hold }), "11"],
    ["Refund of a whole entry", (client) => client.refund({ userId, sequence: consumed }), "20"],
    [
      "Expire of points",
      (client) => client.expire({ userId, target: { case: "points", value: 11n } }),
      "11",
    ],
    [
      "Expire of a lot",
      (client) => client.expire({ userId, target: { case: "lot", value: lot } }),
      "969",
    ],
  ];
  test.each(calls)("is refused %s", async (_, call, required) => {
    expect(await refusalOf(call(as("small")))).toMatchObject({
      ...DENIED,
      metadata: { max_points: "10", required },
    });
  });

  test("may do it with as many", async () => {
    const client = as("small");
    await client.consume({ userId, cost: points(10n) });
    await client.refund({ userId, sequence: consumed, points: 10n });
    const { results } = await client.applyBatch({
      operations: [operation("consume", userId), operation("recharge", userId)],
    });
    expect(results.map(({ result }) => result.case)).toEqual(["consume", "recharge"]);
    await client.release({ userId, hold });
  });

  test("still gets the answer of a request that was applied before", async () => {
    const request = { userId, requestId: "large", cost: points(50n) };
    await as("all").consume(request);
    expect(await as("small").consume(request)).toMatchObject({ replayed: true });
  });
});

describe("operations of a batch or a stream", () => {
  test("are checked each by their own scope and user", async () => {
    const operations = [
      operation("consume", "ada"),
      operation("recharge", "ada"),
      operation("consume", "eu-bob"),
    ];
    const seen = async (name: string) => {
      const { results } = await as(name).applyBatch({ operations });
      const streamed: string[] = [];
      const requests = async function* () {
        for (const [n, one] of operations.entries()) yield { tag: `${n}`, operation: one };
      };
      for await (const { tag, result } of as(name).apply(requests())) {
        streamed[Number(tag)] = String(result?.result.case);
      }
      const batched = results.map(({ result }) => String(result.case));
      expect(streamed).toEqual(batched);
      return batched;
    };
    expect(await seen("spender")).toEqual(["consume", "error", "consume"]);
    expect(await seen("granter")).toEqual(["error", "recharge", "error"]);
    expect(await seen("eu")).toEqual(["error", "error", "consume"]);
  });

  test("say why they are denied", async () => {
    const { results } = await as("spender").applyBatch({
      operations: [operation("recharge", "ada")],
    });
    const { value } = results[0]!.result as {
      case: "error";
      value: { code: number; message: string };
    };
    expect(value).toMatchObject({
      code: 7,
      message: expect.stringContaining("points.grant") as string,
    });
  });
});

describe("the fast path and Connect's adapter give the same answer to", () => {
  const consume = envelope(
    toBinary(
      ConsumeRequestSchema,
      create(ConsumeRequestSchema, { userId: "none", cost: points(1n) }),
    ),
  );
  const bearer = (name: string) => `Bearer ${tokenOf(name)}`;
  const cases: [
    title: string,
    status: string,
    authorization: string | undefined,
    body: Uint8Array,
  ][] = [
    ["no token", "16", undefined, consume],
    ["an empty header", "16", "", consume],
    ["a scheme alone", "16", "Bearer", consume],
    ["a scheme and a space", "16", "Bearer ", consume],
    ["another scheme", "16", `Basic ${tokenOf("all")}`, consume],
    ["a token without a scheme", "16", tokenOf("all"), consume],
    ["two tokens", "16", `${bearer("all")} ${tokenOf("all")}`, consume],
    ["two tokens with a comma", "16", `${bearer("all")}, ${bearer("all")}`, consume],
    ["a token that is not known", "16", bearer("nobody"), consume],
    ["the digest instead of the token", "16", `Bearer ${"ab".repeat(32)}`, consume],
    ["a token and a tail", "16", `${bearer("all")}x`, consume],
    ["a token cut short", "16", bearer("all").slice(0, -1), consume],
    ["a long token", "16", `Bearer ${"x".repeat(10_000)}`, consume],
    ["a JWT, where there are none", "16", "Bearer eyJhbGciOiJub25lIn0.e30.", consume],
    ["a token without the scope", "7", bearer("reader"), consume],
    ["a token of other users", "7", bearer("eu"), consume],
    [
      "a body that is no message, without a token",
      "16",
      undefined,
      Buffer.from("ffffffffff", "hex"),
    ],
    ["a token that may", "5", bearer("spender"), consume],
    ["a scheme in small letters", "5", `bearer ${tokenOf("spender")}`, consume],
  ];
  test.each(cases)("%s: %s", async (_, status, authorization, body) => {
    const call = (path: string) => ({
      headers: {
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        ...(authorization === undefined ? {} : { authorization }),
      },
      chunks: [body],
    });
    const path = "/points.v1.PointsService/Consume";
    const before = await fastPathCalls(server);
    const fast = await exchange(server.port, call(path));
    const connect = await exchange(server.port, call(withQuery(path)));
    expect((await fastPathCalls(server)) - before).toBe(1);
    expect(fast).toEqual(connect);
    expect({ ...fast.headers, ...fast.trailers }["grpc-status"]).toBe(status);
  });

  test("a caller who never sends the body, before it comes", async () => {
    const path = "/points.v1.PointsService/Recharge";
    for (const called of [path, withQuery(path)]) {
      const headers = {
        ":method": "POST",
        ":path": called,
        "content-type": "application/grpc",
        te: "trailers",
      };
      const answer = await exchange(server.port, { headers, chunks: [], neverEnds: true });
      expect({ ...answer.headers, ...answer.trailers }["grpc-status"]).toBe("16");
    }
  });
});

test("JSON, Connect and gRPC-Web are asked for a token too", async () => {
  const body = '{"userId":"ada"}';
  const call = { method: "GetOrCreate", body };
  const errors = [
    await callJson(server.baseUrl, call),
    await callConnectProto(server.baseUrl, { method: "GetOrCreate", body: new Uint8Array() }),
    await callGrpcWeb(server.baseUrl, { method: "GetOrCreate", body: envelope(new Uint8Array()) }),
  ];
  for (const error of errors) expect(readRefusal(error)).toMatchObject(UNKNOWN);
  const headers = { authorization: `Bearer ${tokenOf("reader")}` };
  expect(await callJson(server.baseUrl, { ...call, headers })).toBeUndefined();
  const recharge = { method: "Recharge", body: '{"userId":"ada","points":1}', headers };
  expect(readRefusal(await callJson(server.baseUrl, recharge))).toMatchObject(DENIED);
});

test("a denial names what is needed, to a program", async () => {
  const ofScope = await refusalOf(as("reader").recharge({ userId: "ada", points: 1n }));
  expect(ofScope.metadata).toEqual({ scope: "points.grant" });
  const ofUser = await refusalOf(as("eu").recharge({ userId: "ada", points: 1n }));
  expect(ofUser.metadata).toEqual({ user_id_prefix: "eu-" });
});

test("a caller that is kept to a prefix is sent the entries of its users alone", async () => {
  const userIds = new Set<string>();
  for await (const { entries, caughtUpTo } of as("eu").streamEntries({ cursor: "0" })) {
    for (const { userId } of entries) userIds.add(userId);
    if (caughtUpTo !== undefined) break;
  }
  expect([...userIds].filter((userId) => !userId.startsWith("eu-"))).toEqual([]);
  expect(userIds).toContain("eu-bob");
});

test("health is checked by everybody, and watched and listed by callers", async () => {
  const transport = createGrpcTransport({ baseUrl: server.baseUrl });
  const health = createClient(Health, transport);
  await health.check({});
  expect(await keptOut(health.list({}))).toEqual(UNKNOWN);
  const watching = async () => {
    for await (const _ of health.watch({})) return;
  };
  expect(await keptOut(watching())).toEqual(UNKNOWN);
});

test("reflection is for callers", async () => {
  const ask = async (token: string | undefined) => {
    const transport = createGrpcTransport({ baseUrl: server.baseUrl });
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const requests = async function* () {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
    };
    const answers = createClient(ServerReflection, transport).serverReflectionInfo(requests(), {
      headers,
    });
    for await (const { messageResponse } of answers) return messageResponse.case;
  };
  expect(await keptOut(ask(undefined))).toEqual(UNKNOWN);
  expect(await ask(tokenOf("reader"))).toBe("listServicesResponse");
});

test("callers are read again at SIGHUP, and a broken file changes nothing", async () => {
  const ownFolder = await temporaryFolder();
  const environment = await writeCallers(ownFolder, { one: { scopes: ["points.read"] } });
  const own = await testServer(environment, database);
  onTestFinished(() => own.stop());
  const reads = (name: string) => keptOut(as(name, [], own).getPriceList({}));
  expect([await reads("one"), await reads("two")]).toEqual([undefined, UNKNOWN]);

  await writeCallers(ownFolder, { two: { scopes: ["points.nothing"] } });
  process.emit("SIGHUP");
  expect([await reads("one"), await reads("two")]).toEqual([undefined, UNKNOWN]);

  await writeCallers(ownFolder, { two: { scopes: ["points.read"] } });
  process.emit("SIGHUP");
  expect([await reads("one"), await reads("two")]).toEqual([UNKNOWN, undefined]);
});

describe("an entry names", () => {
  test("its caller, whatever way it came, and the ledger's own name nobody", async () => {
    const userId = "eu-cleo";
    await as("granter").recharge({ userId, points: 10n, requestId: "r1" });
    await as("spender").consume({ userId, cost: points(1n) });
    await as("all").applyBatch({ operations: [operation("consume", userId)] });
    await CALLS.apply(as("eu"), userId);
    const ttl = { seconds: 0n, nanos: 1_000 };
    await as("all").freeze({ userId, cost: points(1n), expiration: { case: "ttl", value: ttl } });
    await as("reader").getOrCreate({ userId });
    const { entries } = await as("reader").listEntries({ userId });
    expect(entries.toReversed().map(({ caller }) => caller)).toEqual([
      "granter",
      "spender",
      "all",
      "eu",
      "all",
      "",
    ]);
  });

  test("who asked first, also in the answer to another's repeat", async () => {
    const request = { userId: "dan", points: 10n, requestId: "r1" };
    const first = await as("granter").recharge(request);
    const again = await as("all").recharge(request);
    expect(first.entry?.caller).toBe("granter");
    expect(again).toEqual({ ...first, replayed: true });
  });

  test("its caller in the hash, which verify checks", async () => {
    expect((await verify(database.orm)).wrong).toEqual([]);
    const change = "update points.entry set caller = $1 where user_id = 'dan' and sequence = 1";
    for (const name of ["mallory", null]) {
      await database.query(change, [name]);
      const { wrong } = await verify(database.orm, { userIds: ["dan"] });
      expect(wrong).toMatchObject([{ userId: "dan", sequence: 1n }]);
    }
    await database.query(change, ["granter"]);
    expect((await verify(database.orm)).wrong).toEqual([]);
  });
});

test("a server without callers names none, and asks for none", async () => {
  const open = await testServer({}, database);
  onTestFinished(() => open.stop());
  const { entry } = await open.client.recharge({ userId: "eve", points: 1n });
  expect(entry?.caller).toBe("");
  const callers = () => database.query("select caller from points.entry where user_id = 'eve'");
  await expect.poll(callers).toEqual([{ caller: null }]);
});
