import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GroupBy } from "../../gen/points/v1/ledger_pb.ts";
import {
  type ConsumeRequestSchema,
  type ExpireRequestSchema,
  PointsService,
  type RechargeRequestSchema,
} from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../support/error-info.ts";
import { callJson } from "../support/raw-call.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { FIELD_INVALID, refusedUnchanged } from "../support/unchanged.ts";

// Requests that can be read but break a limit. Unreadable ones are in bad-encoding.test.ts.

type RechargeInit = MessageInitShape<typeof RechargeRequestSchema>;
type ConsumeInit = MessageInitShape<typeof ConsumeRequestSchema>;
type ExpireInit = MessageInitShape<typeof ExpireRequestSchema>;

const YEAR_10000 = 253_402_300_800n;
const TRILLION = 1_000_000_000_000n;
const INT64_MAX = 2n ** 63n - 1n;
const PRINTABLE = String.fromCharCode(...Array.from({ length: 94 }, (_, index) => 33 + index));

type Read = (server: TestServer) => Promise<unknown>;
const ANY = { case: "actor", value: "any" } as const;
const DAY = { seconds: 86_400n };

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
  await server.client.recharge({ userId: "ada", points: 100n });
});
afterAll(() => server.stop());

describe("the limits of a field are kept: FIELD_INVALID names it, and nothing changes", () => {
  const ids: [string, string][] = [
    ["of 129 characters", "a".repeat(129)],
    ["with a space", "a b"],
    ["with a NUL", "a\0b"],
    ["with a newline at its end", "ab\n"],
    ["of letters beyond ASCII", "zoë"],
    ["of an emoji", "🙂"],
    ["with a DEL", "a\x7f"],
    ["with a tab", "a\tb"],
  ];
  const metadata: [string, Record<string, string>, string][] = [
    ["of 17 pairs", pairs(17), "metadata"],
    ["with an empty key", { "": "v" }, 'metadata[""]'],
    ["with a key of 65 bytes", { ["k".repeat(65)]: "v" }, `metadata["${"k".repeat(65)}"]`],
    ["with a key of 33 ä", { ["ä".repeat(33)]: "v" }, `metadata["${"ä".repeat(33)}"]`],
    ["with a value of 257 bytes", { k: "v".repeat(257) }, 'metadata["k"]'],
    ["with a value of 129 ä", { k: "ä".repeat(129) }, 'metadata["k"]'],
    ["with a newline in a key", { "k\n": "v" }, 'metadata["k\\n"]'],
    ["with a NUL in a key", { "k\0": "v" }, 'metadata["k\0"]'],
    ["with a newline in a value", { k: "v\n" }, 'metadata["k"]'],
    ["with a NUL in a value", { k: "\0" }, 'metadata["k"]'],
    ["with a control character beyond ASCII", { k: "\x85" }, 'metadata["k"]'],
  ];
  type Common = { userId?: string; requestId?: string; metadata?: Record<string, string> };
  const common: [string, Common, string][] = [
    ["an empty user_id", { userId: "" }, "user_id"],
    ...ids.flatMap(([what, id]): [string, Common, string][] => [
      [`a user_id ${what}`, { userId: id }, "user_id"],
      [`a request_id ${what}`, { requestId: id }, "request_id"],
    ]),
    ...metadata.map(([what, map, field]): [string, Common, string] => [
      `metadata ${what}`,
      { metadata: map },
      field,
    ]),
  ];
  const amounts = [0n, -1n, TRILLION + 1n, INT64_MAX, -INT64_MAX - 1n];

  test.each<[string, RechargeInit, string]>([
    ...common,
    ...amounts.map((points): [string, RechargeInit, string] => [
      `${points} points`,
      { points },
      "points",
    ]),
    ["an expire_time in the past", at(1n), "expire_time"],
    ["an expire_time before year 1", at(-INT64_MAX), "expire_time"],
    ["an expire_time in the year 10000", at(YEAR_10000), "expire_time"],
    ["an expire_time far past the year 10000", at(INT64_MAX), "expire_time"],
    ["an expire_time of nanos past a second", at(4_000_000_000n, 1_000_000_000), "expire_time"],
    ["an expire_time of negative nanos", at(4_000_000_000n, -1), "expire_time"],
    ["a ttl of 0", ttl(0n), "ttl"],
    ["a ttl of 1 ns", ttl(0n, 1), "ttl"],
    ["a ttl of 999 ns", ttl(0n, 999), "ttl"],
    ["a negative ttl", ttl(-1n), "ttl"],
    ["a ttl of a negative nanosecond", ttl(0n, -1), "ttl"],
    ["a ttl of mixed signs", ttl(1n, -1), "ttl"],
    ["a ttl of nanos past a second", ttl(1n, 1_000_000_000), "ttl"],
    ["a ttl that ends past the year 9999", ttl(YEAR_10000), "ttl"],
    ["the longest ttl that protobuf has", ttl(315_576_000_000n), "ttl"],
    ["a ttl longer than protobuf has", ttl(INT64_MAX), "ttl"],
    ["a ttl more negative than protobuf has", ttl(-INT64_MAX - 1n), "ttl"],
    ["priority -1", { priority: -1 }, "priority"],
    ["priority 1001", { priority: 1001 }, "priority"],
  ])("Recharge with %s", async (_, request, field) => {
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.recharge({ userId: "ada", points: 5n, ...request })),
    );
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test("an expire_time of just now is not after now", async () => {
    const [row] = await server.database.query(
      "select floor(extract(epoch from clock_timestamp()))::text as seconds",
    );
    const now = at(BigInt(row!["seconds"] as string));
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.recharge({ userId: "ada", points: 5n, ...now })),
    );
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: ["expire_time"] });
  });

  test.each<[string, ConsumeInit, string]>([
    ...common,
    ...amounts.map((value): [string, ConsumeInit, string] => [
      `${value} points`,
      { cost: { case: "points", value } },
      "points",
    ]),
    ["no cost", { cost: { case: undefined } }, "cost"],
  ])("Consume with %s", async (_, request, field) => {
    const cost = { case: "points", value: 5n } as const;
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.consume({ userId: "ada", cost, ...request })),
    );
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test.each<[string, ExpireInit, string]>([
    ...common,
    ...amounts.map((value): [string, ExpireInit, string] => [
      `${value} points`,
      { target: { case: "points", value } },
      "points",
    ]),
    ["no target", { target: { case: undefined } }, "target"],
    ["due=false", { target: { case: "due", value: false } }, "due"],
    ["lot 0", { target: { case: "lot", value: 0n } }, "lot"],
    ["lot -1", { target: { case: "lot", value: -1n } }, "lot"],
  ])("Expire with %s", async (_, request, field) => {
    const target = { case: "points", value: 5n } as const;
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.expire({ userId: "ada", target, ...request })),
    );
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test.each([...ids, ["that is empty", ""]])("GetOrCreate with user_id %s", async (_, userId) => {
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.getOrCreate({ userId })),
    );
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: ["user_id"] });
  });

  const long = "a".repeat(129);
  const prefixes = ["a b", "zoë", long].flatMap((userIdPrefix): [string, Read, string][] => [
    ["ListAccounts", ({ client }) => client.listAccounts({ userIdPrefix }), "user_id_prefix"],
    [
      "SearchEntries",
      ({ client }) => client.searchEntries({ by: ANY, userIdPrefix }),
      "user_id_prefix",
    ],
    [
      "Summarize",
      ({ client }) => client.summarize({ of: { case: "userIdPrefix", value: userIdPrefix } }),
      "user_id_prefix",
    ],
    [
      "ListExpiring",
      ({ client }) => client.listExpiring({ within: DAY, userIdPrefix }),
      "user_id_prefix",
    ],
  ]);
  const times = [
    { seconds: YEAR_10000 },
    { seconds: -INT64_MAX },
    { seconds: 1n, nanos: -1 },
  ].flatMap((time): [string, Read, string][] => [
    [
      "SearchEntries",
      ({ client }) => client.searchEntries({ by: ANY, startTime: time }),
      "start_time",
    ],
    ["SearchEntries", ({ client }) => client.searchEntries({ by: ANY, endTime: time }), "end_time"],
    ["Summarize", ({ client }) => client.summarize({ startTime: time }), "start_time"],
    ["Summarize", ({ client }) => client.summarize({ endTime: time }), "end_time"],
  ]);
  const terms = [
    [{ case: undefined }, "by"],
    [{ case: "requestId", value: "a b" }, "request_id"],
    [{ case: "requestId", value: "" }, "request_id"],
    [{ case: "actor", value: "" }, "actor"],
    [{ case: "actor", value: "a\n" }, "actor"],
    [{ case: "metadata", value: { key: "", value: "v" } }, "metadata.key"],
    [{ case: "metadata", value: { key: "k".repeat(65), value: "v" } }, "metadata.key"],
    [{ case: "metadata", value: { key: "k", value: "v".repeat(257) } }, "metadata.value"],
  ] as const;
  const groups = [[GroupBy.UNSPECIFIED], [GroupBy.DAY, GroupBy.DAY], [99 as GroupBy]];
  test.each<[string, Read, string]>([
    ...prefixes,
    ...times,
    ...terms.map(([by, field]): [string, Read, string] => [
      "SearchEntries",
      ({ client }) => client.searchEntries({ by }),
      field,
    ]),
    ["Summarize", ({ client }) => client.summarize({ groupBy: groups[0]! }), "group_by[0]"],
    ["Summarize", ({ client }) => client.summarize({ groupBy: groups[1]! }), "group_by"],
    ["Summarize", ({ client }) => client.summarize({ groupBy: groups[2]! }), "group_by[0]"],
    [
      "Summarize",
      ({ client }) => client.summarize({ of: { case: "userId", value: "" } }),
      "user_id",
    ],
    ["ListAccounts", ({ client }) => client.listAccounts({ pageSize: -1 }), "page_size"],
    ["ListExpiring", ({ client }) => client.listExpiring({ within: { nanos: 999 } }), "within"],
    [
      "ListExpiring",
      ({ client }) => client.listExpiring({ within: { seconds: 1n, nanos: -1 } }),
      "within",
    ],
  ])("%s over all accounts, case %#", async (_, ask, field) => {
    expect(await refusalOf(ask(server))).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test("every field that is wrong is named", async () => {
    const request = { userId: "", points: 0n, priority: 1001, requestId: "a b" };
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.recharge(request)),
    );
    expect(refusal.code).toBe("InvalidArgument");
    expect(refusal.fields.toSorted()).toEqual(["points", "priority", "request_id", "user_id"]);
  });

  test.each([
    ["gRPC-Web", (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
    ["Connect", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  ])("and over %s the refusal is the same", async (_, transportTo) => {
    const client = createClient(PointsService, transportTo(server.baseUrl));
    const request = { userId: "ada", points: 0n };
    expect(await refusedUnchanged(server, () => refusalOf(client.recharge(request)))).toEqual(
      await refusalOf(server.client.recharge(request)),
    );
  });
});

describe("values just inside a limit are accepted", () => {
  test.each<[string, RechargeInit]>([
    ["1 point", { points: 1n }],
    ["10^12 points", { points: TRILLION }],
    ["a user_id of 128 characters", { userId: "a".repeat(128) }],
    ["a user_id of every character there may be", { userId: PRINTABLE }],
    ["a request_id of 128 characters", { requestId: "r".repeat(128) }],
    ["a request_id of every character there may be", { requestId: PRINTABLE }],
    ["an empty request_id", { requestId: "" }],
    ["metadata of 16 pairs", { metadata: pairs(16) }],
    ["metadata with a key of 64 bytes", { metadata: { ["k".repeat(64)]: "" } }],
    ["metadata with a key of 32 ä", { metadata: { ["ä".repeat(32)]: "" } }],
    ["metadata with a value of 256 bytes", { metadata: { k: "v".repeat(256) } }],
    ["metadata with a value of 128 ä", { metadata: { k: "ä".repeat(128) } }],
    ["metadata with a value of 64 emojis", { metadata: { k: "🙂".repeat(64) } }],
    ["metadata with quotes and backslashes", { metadata: { '"\\': "{\"'\\u0000}" } }],
    ["metadata with keys like numbers", { metadata: { 10: "a", 9: "b", "-1": "c" } }],
    ["metadata with keys like members", { metadata: { constructor: "a", toString: "b" } }],
    ["the last instant", at(YEAR_10000 - 1n, 999_999_999)],
    ["a ttl of 1 µs", ttl(0n, 1000)],
    ["a ttl of 7000 years", ttl(220_903_200_000n)],
    ["priority 1000", { priority: 1000 }],
  ])("%s", async (what, request) => {
    const userId = `inside-${what.replaceAll(/[^\w]+/g, "-")}`;
    const answer = await server.client.recharge({ userId, points: 5n, ...request });
    expect(answer.entry).toMatchObject({
      sequence: 1n,
      points: request.points ?? 5n,
      requestId: request.requestId ?? "",
      metadata: request.metadata ?? {},
      priority: request.priority ?? 0,
    });
  });

  test("a metadata key __proto__ is a key like any other, also of a repeat", async () => {
    const metadata = Object.fromEntries([["__proto__", "x"]]);
    const request = { userId: "proto", requestId: "p1", points: 5n };
    const json = `{"userId":"proto","requestId":"p1","points":5,"metadata":{"__proto__":"x"}}`;
    expect(await callJson(server.baseUrl, { method: "Recharge", body: json })).toBeUndefined();
    const repeat = await server.client.recharge({ ...request, metadata });
    expect(repeat.replayed).toBe(true);
    expect(Object.entries(repeat.entry!.metadata)).toEqual([["__proto__", "x"]]);
    expect(await refusalOf(server.client.recharge(request))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
  });
});

describe("after all that", () => {
  test("the server answers an honest request", async () => {
    const answer = await server.client.recharge({ userId: "honest", points: 5n });
    expect(answer.account!.balance).toBe(5n);
  });
});

function at(seconds: bigint, nanos = 0): RechargeInit {
  return { expiration: { case: "expireTime", value: { seconds, nanos } } };
}

function ttl(seconds: bigint, nanos = 0): RechargeInit {
  return { expiration: { case: "ttl", value: { seconds, nanos } } };
}

function pairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
}
