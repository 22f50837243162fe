import { gzipSync } from "node:zlib";
import { toBinary } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RechargeRequestSchema } from "../../gen/points/v1/points_pb.ts";
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
import { FIELD_INVALID, refusedUnchanged } from "../support/unchanged.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
  await server.client.recharge({ userId: "ada", points: 100n });
});
afterAll(() => server.stop());

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
      ['metadata["k"]'],
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
      ['metadata["k"]'],
    ],
    [
      "a time that is a number",
      "Recharge",
      `{"userId":"ada","points":5,"expireTime":5}`,
      ["expire_time"],
    ],
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
    ["a very deep list", "Recharge", "[".repeat(60_000), []],
  ])("%s", async (_, method, body, fields) => {
    const refusal = await refusedUnchanged(server, () => raw(callJson, { method, body }));
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.fields).toEqual(fields);
  });

  test.each<[string, string]>([
    ["1e3 is 1000", `{"userId":"ada","points":1e3}`],
    ["1000.0 is 1000", `{"userId":"ada","points":1000.0}`],
    ["null is unset", `{"userId":"ada","points":1000,"priority":null,"requestId":null}`],
  ])("but %s", async (_, body) => {
    const { account: before } = await server.client.getOrCreate({ userId: "ada" });
    expect(await callJson(server.baseUrl, { method: "Recharge", body })).toBeUndefined();
    const { account: after } = await server.client.getOrCreate({ userId: "ada" });
    expect(after!.balance - before!.balance).toBe(1000n);
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
    actor: "",
    validateOnly: false,
    category: "",
    services: [],
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
      expect(await refusedUnchanged(server, () => send(content))).toMatchObject(FIELD_INVALID);
    });

    test("no bytes at all are a message without any field: INVALID_ARGUMENT", async () => {
      const refusal = await refusedUnchanged(server, () => send(new Uint8Array()));
      expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: ["user_id", "points"] });
    });

    test("8 MiB: MESSAGE_TOO_LARGE", async () => {
      const refusal = await refusedUnchanged(server, () => send(new Uint8Array(8_388_608)));
      expect(refusal).toMatchObject({ reason: "MESSAGE_TOO_LARGE", outcome: "NOT_APPLIED" });
    });

    test("an encoding that there is not: UNIMPLEMENTED", async () => {
      const headers = { "grpc-encoding": "squash", "content-encoding": "squash" };
      const refusal = await refusedUnchanged(server, () => send(good, headers));
      expect(refusal).toMatchObject({ code: "Unimplemented", reason: "UNIMPLEMENTED" });
      expect(refusal.outcome).toBe("NOT_APPLIED");
    });
  });

  test.each(["Recharge", "Consume", "Expire", "GetOrCreate"])(
    "a gRPC %s of no message at all has an answer with a reason",
    async (method) => {
      const refusal = await refusedUnchanged(server, () =>
        raw(callGrpc, { method, body: new Uint8Array() }),
      );
      expect(refusal).toMatchObject({ domain: "points.v1", outcome: "NOT_APPLIED" });
      expect(["InvalidArgument", "Unimplemented"]).toContain(refusal.code);
    },
  );

  test("a gRPC frame that is longer than its body: INVALID_ARGUMENT", async () => {
    const body = envelope(good).slice(0, -3);
    const refusal = await refusedUnchanged(server, () =>
      raw(callGrpc, { method: "Recharge", body }),
    );
    expect(refusal).toMatchObject(FIELD_INVALID);
  });

  test("two messages in a gRPC call of one do not change anything", async () => {
    const body = Uint8Array.from([...envelope(good), ...envelope(good)]);
    const refusal = await refusedUnchanged(server, () =>
      raw(callGrpc, { method: "Recharge", body }),
    );
    expect(refusal).toMatchObject({ domain: "points.v1", outcome: "NOT_APPLIED" });
    expect(["InvalidArgument", "Unimplemented"]).toContain(refusal.code);
  });

  test.each([
    ["that is no gzip: INVALID_ARGUMENT", good, "FIELD_INVALID"],
    ["that grows to 2 MiB: MESSAGE_TOO_LARGE", gzip(2_097_152), "MESSAGE_TOO_LARGE"],
    ["that is cut: INVALID_ARGUMENT", gzip(1000).slice(0, -4), "FIELD_INVALID"],
  ])("gzip %s", async (_, content, reason) => {
    const headers = { "grpc-encoding": "gzip" };
    const call = { method: "Recharge", body: envelope(content, 1), headers };
    const refusal = await refusedUnchanged(server, () => raw(callGrpc, call));
    expect(refusal).toMatchObject({ reason, outcome: "NOT_APPLIED", domain: "points.v1" });
  });

  test("a key of metadata of 60,000 bytes: INVALID_ARGUMENT, in a short answer", async () => {
    const metadata = { ["k".repeat(60_000)]: "v" };
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.recharge({ userId: "ada", points: 5n, metadata })),
    );
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.message.length).toBeLessThan(4096);
  });

  test("4,000 wrong pairs of metadata: INVALID_ARGUMENT, in a short answer", async () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 4_000 }, (__, index) => [`k${index}\n`, "\n"]),
    );
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.recharge({ userId: "ada", points: 5n, metadata })),
    );
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.message.length).toBeLessThan(4096);
  });

  test("60,000 digits in JSON over gRPC: INVALID_ARGUMENT, in a short answer", async () => {
    const body = envelope(Buffer.from(`{"userId":"ada","points":"${"9".repeat(60_000)}"}`));
    const headers = { "content-type": "application/grpc+json" };
    const refusal = await refusedUnchanged(server, () =>
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
    const refusal = await refusedUnchanged(server, () =>
      raw(call, { method: "Steal", body: "{}" }),
    );
    expect(refusal).toMatchObject(UNIMPLEMENTED);
  });
});

describe("after all that", () => {
  test("the server answers an honest request", async () => {
    const answer = await server.client.recharge({ userId: "honest", points: 5n });
    expect(answer.account!.balance).toBe(5n);
  });
});

async function raw(
  call: (baseUrl: string, call: RawCall) => Promise<ConnectError | undefined>,
  content: RawCall,
): Promise<Refusal> {
  const error = await call(server.baseUrl, content);
  if (error === undefined) throw new Error("the call succeeded");
  return readRefusal(error);
}

function gzip(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(gzipSync(new Uint8Array(size)));
}
