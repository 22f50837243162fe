import { gzipSync } from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import { createClient, type ConnectError } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ConsumeRequestSchema,
  type ExpireRequestSchema,
  PointsService,
  RechargeRequestSchema,
} from "../../gen/points/v1/points_pb.ts";
import { readRefusal, refusalOf, type Refusal } from "../support/error-info.ts";
import {
  callConnectProto,
  callGrpc,
  callGrpcWeb,
  callJson,
  envelope,
  type RawCall,
} from "../support/raw-call.ts";
import { testServer, type TestServer } from "../support/server.ts";

type RechargeInit = MessageInitShape<typeof RechargeRequestSchema>;
type ConsumeInit = MessageInitShape<typeof ConsumeRequestSchema>;
type ExpireInit = MessageInitShape<typeof ExpireRequestSchema>;

const YEAR_10000 = 253_402_300_800n;
const TRILLION = 1_000_000_000_000n;
const INT64_MAX = 2n ** 63n - 1n;
const PRINTABLE = String.fromCharCode(...Array.from({ length: 94 }, (_, index) => 33 + index));
const FIELD_INVALID = {
  code: "InvalidArgument",
  reason: "FIELD_INVALID",
  domain: "points.v1",
  outcome: "NOT_APPLIED",
};

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
  await server.client.recharge({ userId: "ada", requestId: "used", points: 100n });
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
    const refusal = await refusedUnchanged(() =>
      refusalOf(server.client.recharge({ userId: "ada", points: 5n, ...request })),
    );
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test("an expire_time of just now is not after now", async () => {
    const [row] = await server.database.query(
      "select floor(extract(epoch from clock_timestamp()))::text as seconds",
    );
    const now = at(BigInt(row!["seconds"] as string));
    const refusal = await refusedUnchanged(() =>
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
    const refusal = await refusedUnchanged(() =>
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
    const refusal = await refusedUnchanged(() =>
      refusalOf(server.client.expire({ userId: "ada", target, ...request })),
    );
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test.each([...ids, ["that is empty", ""]])("GetOrCreate with user_id %s", async (_, userId) => {
    const refusal = await refusedUnchanged(() => refusalOf(server.client.getOrCreate({ userId })));
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: ["user_id"] });
  });

  test("every field that is wrong is named", async () => {
    const request = { userId: "", points: 0n, priority: 1001, requestId: "a b" };
    const refusal = await refusedUnchanged(() => refusalOf(server.client.recharge(request)));
    expect(refusal.code).toBe("InvalidArgument");
    expect(refusal.fields.toSorted()).toEqual(["points", "priority", "request_id", "user_id"]);
  });

  test.each([
    ["gRPC-Web", (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
    ["Connect", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  ])("and over %s the refusal is the same", async (_, transportTo) => {
    const client = createClient(PointsService, transportTo(server.baseUrl));
    const request = { userId: "ada", points: 0n };
    expect(await refusedUnchanged(() => refusalOf(client.recharge(request)))).toEqual(
      await refusalOf(server.client.recharge(request)),
    );
  });
});

describe("what is just inside a limit is taken", () => {
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

describe("JSON that is not a request is refused as INVALID_ARGUMENT, and nothing changes", () => {
  test.each<[string, string, string, string[]]>([
    ["half a point", "Recharge", `{"userId":"ada","points":1.5}`, ["points"]],
    ["2^53 + 1 as a number", "Recharge", `{"userId":"ada","points":9007199254740993}`, ["points"]],
    [
      "2^53 + 1 as a string",
      "Recharge",
      `{"userId":"ada","points":"9007199254740993"}`,
      ["points"],
    ],
    ["2^63 points", "Recharge", `{"userId":"ada","points":"9223372036854775808"}`, ["points"]],
    ["10^400 points", "Recharge", `{"userId":"ada","points":1e400}`, ["points"]],
    ["a word of points", "Recharge", `{"userId":"ada","points":"abc"}`, ["points"]],
    ["points that are true", "Recharge", `{"userId":"ada","points":true}`, ["points"]],
    ["an empty string of points", "Recharge", `{"userId":"ada","points":""}`, ["points"]],
    ["points in a list", "Recharge", `{"userId":"ada","points":[5]}`, ["points"]],
    ["a user_id that is a number", "Recharge", `{"userId":7,"points":5}`, ["user_id"]],
    [
      "half a surrogate",
      "Recharge",
      `{"userId":"ada","points":5,"metadata":{"k":"\\ud800"}}`,
      ["metadata"],
    ],
    [
      "metadata that is a list",
      "Recharge",
      `{"userId":"ada","points":5,"metadata":[]}`,
      ["metadata"],
    ],
    [
      "a metadata value of null",
      "Recharge",
      `{"userId":"ada","points":5,"metadata":{"k":null}}`,
      ["metadata"],
    ],
    ["a time that is a number", "Recharge", `{"userId":"ada","points":5,"expireTime":5}`, []],
    [
      "a time without a zone",
      "Recharge",
      `{"userId":"ada","points":5,"expireTime":"2099-01-01T00:00:00"}`,
      [],
    ],
    [
      "the year 10000",
      "Recharge",
      `{"userId":"ada","points":5,"expireTime":"10000-01-01T00:00:00Z"}`,
      [],
    ],
    ["a ttl without a unit", "Recharge", `{"userId":"ada","points":5,"ttl":"60"}`, []],
    ["a ttl in minutes", "Recharge", `{"userId":"ada","points":5,"ttl":"1m"}`, []],
    [
      "priority 2^31",
      "Recharge",
      `{"userId":"ada","points":5,"priority":2147483648}`,
      ["priority"],
    ],
    ["both members of a oneof", "Expire", `{"userId":"ada","points":5,"lot":1}`, ["target"]],
    [
      "both members of a oneof of times",
      "Recharge",
      `{"userId":"ada","points":5,"ttl":"9s","expireTime":"2099-01-01T00:00:00Z"}`,
      ["expiration"],
    ],
    [
      "one field in both spellings",
      "Recharge",
      `{"userId":"ada","user_id":"ada","points":5}`,
      ["user_id"],
    ],
    ["due as a string", "Expire", `{"userId":"ada","due":"true"}`, ["due"]],
    ["nothing", "Recharge", ``, []],
    ["a cut message", "Recharge", `{"userId":"ada","points":5`, []],
    ["a list", "Recharge", `[]`, []],
    ["null", "Recharge", `null`, []],
    ["a word", "Recharge", `points`, []],
    ["a very deep list", "Recharge", "[".repeat(100_000), []],
  ])("%s", async (_, method, body, fields) => {
    const refusal = await refusedUnchanged(() => raw(callJson, { method, body }));
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.fields).toEqual(fields);
  });

  test.each<[string, string]>([
    ["1e3 is 1000", `{"userId":"ada","points":1e3}`],
    ["1000.0 is 1000", `{"userId":"ada","points":1000.0}`],
    ["unknown members are ignored", `{"userId":"ada","points":1000,"colour":"red"}`],
    ["null is unset", `{"userId":"ada","points":1000,"priority":null,"requestId":null}`],
  ])("but %s", async (_, body) => {
    const { account: before } = await server.client.getOrCreate({ userId: "ada" });
    expect(await callJson(server.baseUrl, { method: "Recharge", body })).toBeUndefined();
    const { account: after } = await server.client.getOrCreate({ userId: "ada" });
    expect(after!.balance - before!.balance).toBe(1000n);
  });

  test("and of a doubled member at most one is taken", async () => {
    const { account: before } = await server.client.getOrCreate({ userId: "ada" });
    const body = `{"userId":"ada","points":1,"points":2}`;
    const error = await callJson(server.baseUrl, { method: "Recharge", body });
    const { account: after } = await server.client.getOrCreate({ userId: "ada" });
    const refused = error === undefined ? undefined : readRefusal(error);
    expect([refused?.code, after!.balance - before!.balance]).toEqual(["InvalidArgument", 0n]);
  });
});

describe("bytes that are not a request are refused, and nothing changes", () => {
  const good = toBinary(RechargeRequestSchema, {
    $typeName: "points.v1.RechargeRequest",
    userId: "ada",
    requestId: "",
    metadata: {},
    points: 5n,
    expiration: { case: undefined },
    priority: 0,
  });
  const broken: [string, Uint8Array<ArrayBuffer>][] = [
    ["a cut message", good.slice(0, -1)],
    ["a length past the end", Uint8Array.of(0x0a, 0x7f, 0x61)],
    ["a varint without an end", new Uint8Array(11).fill(0xff)],
    ["a string that is no UTF-8", Uint8Array.of(0x0a, 0x02, 0xc3, 0x28)],
    ["the wire type 7", Uint8Array.of(0x0f)],
    ["the field 0", Uint8Array.of(0x00, 0x00)],
    ["a group without an end", Uint8Array.of(0x0b)],
    ["text", Uint8Array.from(Buffer.from("how many points have I?"))],
  ];
  const PROTOCOLS = [
    ["gRPC", (body: Uint8Array<ArrayBuffer>) => [callGrpc, envelope(body)] as const],
    ["gRPC-Web", (body: Uint8Array<ArrayBuffer>) => [callGrpcWeb, envelope(body)] as const],
    ["Connect", (body: Uint8Array<ArrayBuffer>) => [callConnectProto, body] as const],
  ] as const;

  describe.each(PROTOCOLS)("over %s", (_, framed) => {
    const send = (content: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) => {
      const [call, body] = framed(content);
      return raw(call, { method: "Recharge", body, headers });
    };

    test.each(broken)("%s: INVALID_ARGUMENT", async (_what, content) => {
      expect(await refusedUnchanged(() => send(content))).toMatchObject(FIELD_INVALID);
    });

    test("no bytes at all are a message without any field: INVALID_ARGUMENT", async () => {
      const refusal = await refusedUnchanged(() => send(new Uint8Array()));
      expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: ["user_id", "points"] });
    });

    test("more than 1 MiB: MESSAGE_TOO_LARGE", async () => {
      const refusal = await refusedUnchanged(() => send(new Uint8Array(1_048_577)));
      expect(refusal).toMatchObject({
        code: "ResourceExhausted",
        reason: "MESSAGE_TOO_LARGE",
        domain: "points.v1",
        outcome: "NOT_APPLIED",
      });
    });

    test("8 MiB: MESSAGE_TOO_LARGE", async () => {
      const refusal = await refusedUnchanged(() => send(new Uint8Array(8_388_608)));
      expect(refusal).toMatchObject({ reason: "MESSAGE_TOO_LARGE", outcome: "NOT_APPLIED" });
    });

    test("an encoding that there is not: UNIMPLEMENTED", async () => {
      const headers = { "grpc-encoding": "squash", "content-encoding": "squash" };
      const refusal = await refusedUnchanged(() => send(good, headers));
      expect(refusal).toMatchObject({ code: "Unimplemented", reason: "UNIMPLEMENTED" });
      expect(refusal.outcome).toBe("NOT_APPLIED");
    });
  });

  test.each(["Recharge", "Consume", "Expire", "GetOrCreate"])(
    "a gRPC %s of no message at all has an answer with a reason",
    async (method) => {
      const refusal = await refusedUnchanged(() =>
        raw(callGrpc, { method, body: new Uint8Array() }),
      );
      expect(refusal).toMatchObject({ domain: "points.v1", outcome: "NOT_APPLIED" });
      expect(["InvalidArgument", "Unimplemented"]).toContain(refusal.code);
    },
  );

  test("a gRPC frame that is longer than its body: INVALID_ARGUMENT", async () => {
    const body = envelope(good).slice(0, -3);
    const refusal = await refusedUnchanged(() => raw(callGrpc, { method: "Recharge", body }));
    expect(refusal).toMatchObject(FIELD_INVALID);
  });

  test("two messages in a gRPC call of one do not change anything", async () => {
    const body = Uint8Array.from([...envelope(good), ...envelope(good)]);
    const refusal = await refusedUnchanged(() => raw(callGrpc, { method: "Recharge", body }));
    expect(refusal).toMatchObject({ domain: "points.v1", outcome: "NOT_APPLIED" });
    expect(["InvalidArgument", "Unimplemented"]).toContain(refusal.code);
  });

  test.each([
    ["that is no gzip: INVALID_ARGUMENT", good, "FIELD_INVALID"],
    ["that grows past 1 MiB: MESSAGE_TOO_LARGE", gzip(2_097_152), "MESSAGE_TOO_LARGE"],
    ["that is cut: INVALID_ARGUMENT", gzip(1000).slice(0, -4), "FIELD_INVALID"],
  ])("gzip %s", async (_, content, reason) => {
    const headers = { "grpc-encoding": "gzip" };
    const call = { method: "Recharge", body: envelope(content, 1), headers };
    const refusal = await refusedUnchanged(() => raw(callGrpc, call));
    expect(refusal).toMatchObject({ reason, outcome: "NOT_APPLIED", domain: "points.v1" });
  });

  test("a key of metadata of 200,000 bytes: INVALID_ARGUMENT, in a short answer", async () => {
    const metadata = { ["k".repeat(200_000)]: "v" };
    const refusal = await refusedUnchanged(() =>
      refusalOf(server.client.recharge({ userId: "ada", points: 5n, metadata })),
    );
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.message.length).toBeLessThan(4096);
  });

  test("20,000 wrong pairs of metadata: INVALID_ARGUMENT, in a short answer", async () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 20_000 }, (__, index) => [`k${index}\n`, "\n"]),
    );
    const refusal = await refusedUnchanged(() =>
      refusalOf(server.client.recharge({ userId: "ada", points: 5n, metadata })),
    );
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.message.length).toBeLessThan(4096);
  });

  test("100,000 digits in JSON over gRPC: INVALID_ARGUMENT, in a short answer", async () => {
    const body = envelope(Buffer.from(`{"userId":"ada","points":"${"9".repeat(100_000)}"}`));
    const headers = { "content-type": "application/grpc+json" };
    const refusal = await refusedUnchanged(() =>
      raw(callGrpc, { method: "Recharge", body, headers }),
    );
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.message.length).toBeLessThan(4096);
  });
});

describe("an RPC that there is not", () => {
  const UNIMPLEMENTED = {
    code: "Unimplemented",
    reason: "UNIMPLEMENTED",
    domain: "points.v1",
    outcome: "NOT_APPLIED",
  };

  test.each([
    ["gRPC", callGrpc],
    ["gRPC-Web", callGrpcWeb],
    ["Connect", callConnectProto],
    ["JSON", callJson],
  ] as const)("is UNIMPLEMENTED over %s", async (_, call) => {
    const refusal = await refusedUnchanged(() => raw(call, { method: "Steal", body: "{}" }));
    expect(refusal).toMatchObject(UNIMPLEMENTED);
  });
});

describe("a refusal of the ledger changes nothing and says why", () => {
  const cost = { case: "points", value: 5n } as const;
  const nobody: Partial<Refusal> = {
    code: "NotFound",
    reason: "ACCOUNT_NOT_FOUND",
    metadata: { user_id: "nobody" },
  };

  test.each<[string, () => Promise<unknown>, Partial<Refusal>]>([
    ["a Consume of nobody", () => server.client.consume({ userId: "nobody", cost }), nobody],
    [
      "an Expire of nobody's points",
      () => server.client.expire({ userId: "nobody", target: cost }),
      nobody,
    ],
    [
      "an Expire of what nobody has due",
      () => server.client.expire({ userId: "nobody", target: { case: "due", value: true } }),
      nobody,
    ],
    [
      "an Expire of a lot that there is not",
      () => server.client.expire({ userId: "ada", target: { case: "lot", value: 77n } }),
      { code: "NotFound", reason: "LOT_NOT_FOUND", metadata: { lot: "77" } },
    ],
    [
      "an Expire of the largest lot that could be",
      () => server.client.expire({ userId: "ada", target: { case: "lot", value: INT64_MAX } }),
      { code: "NotFound", reason: "LOT_NOT_FOUND", metadata: { lot: String(INT64_MAX) } },
    ],
    [
      "a Consume of more than there is",
      () =>
        server.client.consume({ userId: "ada", cost: { case: "points", value: TRILLION } }),
      { code: "FailedPrecondition", reason: "INSUFFICIENT_POINTS" },
    ],
    [
      "an Expire of more than there is",
      () =>
        server.client.expire({ userId: "ada", target: { case: "points", value: TRILLION } }),
      { code: "FailedPrecondition", reason: "INSUFFICIENT_POINTS" },
    ],
    [
      "a request id used again for more points",
      () => server.client.recharge({ userId: "ada", requestId: "used", points: 101n }),
      {
        code: "AlreadyExists",
        reason: "REQUEST_ID_REUSED",
        metadata: { request_id: "used", sequence: "1" },
      },
    ],
    [
      "a request id used again with a priority",
      () => server.client.recharge({ userId: "ada", requestId: "used", points: 100n, priority: 1 }),
      { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    ],
    [
      "a request id used again with metadata",
      () =>
        server.client.recharge({
          userId: "ada",
          requestId: "used",
          points: 100n,
          metadata: { k: "" },
        }),
      { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    ],
    [
      "a request id used again for another method",
      () =>
        server.client.consume({
          userId: "ada",
          requestId: "used",
          cost: { case: "points", value: 100n },
        }),
      { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    ],
    [
      "a request id used again for a third method",
      () =>
        server.client.expire({
          userId: "ada",
          requestId: "used",
          target: { case: "points", value: 100n },
        }),
      { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    ],
  ])("%s", async (_, call, expected) => {
    const refusal = await refusedUnchanged(() => refusalOf(call()));
    expect(refusal).toMatchObject({ ...expected, domain: "points.v1", outcome: "NOT_APPLIED" });
  });

  test("Consume and Expire are two methods for the same points and the same id", async () => {
    const request = { userId: "ada", requestId: "two-methods" };
    await server.client.consume({ ...request, cost: { case: "points", value: 1n } });
    const refusal = await refusedUnchanged(() =>
      refusalOf(server.client.expire({ ...request, target: { case: "points", value: 1n } })),
    );
    expect(refusal).toMatchObject({ code: "AlreadyExists", reason: "REQUEST_ID_REUSED" });
  });

  test("a total past 2^53 - 1 is OUT_OF_RANGE", async () => {
    const userId = "rich";
    for (let index = 0; index < 9007; index += 500) {
      const batch = Math.min(500, 9007 - index);
      await Promise.all(
        Array.from({ length: batch }, () => server.client.recharge({ userId, points: TRILLION })),
      );
    }
    const rest = 9_007_199_254_740_991n - 9007n * TRILLION;
    const refusal = await refusedUnchanged(() =>
      refusalOf(server.client.recharge({ userId, points: rest + 1n })),
    );
    expect(refusal).toMatchObject({
      code: "OutOfRange",
      reason: "TOTAL_TOO_LARGE",
      metadata: { total: "total_recharged", limit: "9007199254740991" },
      outcome: "NOT_APPLIED",
    });
    const { account } = await server.client.recharge({ userId, points: rest });
    expect(account!.balance).toBe(9_007_199_254_740_991n);
  });
});

describe("after all that", () => {
  test("the server answers an honest request", async () => {
    const answer = await server.client.recharge({ userId: "honest", points: 5n });
    expect(answer.account!.balance).toBe(5n);
  });
});

/** The refusal that `call` comes to, once it is sure that the database is as it was. */
async function refusedUnchanged(call: () => Promise<Refusal>): Promise<Refusal> {
  const before = await fingerprintOfDatabase();
  const refusal = await call();
  expect(await fingerprintOfDatabase()).toEqual(before);
  return refusal;
}

async function fingerprintOfDatabase(): Promise<unknown> {
  const [row] = await server.database.query(`
    select
      (select count(*) from points.account) as accounts,
      (select count(*) from points.entry) as entries,
      (select count(*) from points.receipt) as receipts,
      (select count(*) from points.lot) as lots,
      (select sum(balance) from points.account) as balance`);
  return row;
}

async function raw(
  call: (baseUrl: string, call: RawCall) => Promise<ConnectError | undefined>,
  content: RawCall,
): Promise<Refusal> {
  const error = await call(server.baseUrl, content);
  if (error === undefined) throw new Error("the call succeeded");
  return readRefusal(error);
}

function at(seconds: bigint, nanos = 0): RechargeInit {
  return { expiration: { case: "expireTime", value: { seconds, nanos } } };
}

function ttl(seconds: bigint, nanos = 0): RechargeInit {
  return { expiration: { case: "ttl", value: { seconds, nanos } } };
}

function pairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
}

function gzip(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(gzipSync(new Uint8Array(size)));
}
