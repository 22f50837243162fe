import { once } from "node:events";
import * as http2 from "node:http2";
import { ConnectError } from "@connectrpc/connect";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readRefusal, type Refusal } from "../support/error-info.ts";
import { callGrpc, callGrpcWeb, callJson, envelope, type RawCall } from "../support/raw-call.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { FIELD_INVALID, refusedUnchanged } from "../support/unchanged.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
  await server.client.recharge({ userId: "ada", points: 100n });
});
afterAll(() => server.stop());

const json = (call: RawCall) => refused(callJson(server.baseUrl, call));

/** A Recharge of ada with more members, or others. */
const recharge = (members: string) => ({
  method: "Recharge",
  body: `{"userId":"ada",${members}}`,
});

describe("a member that the request has not is refused by its name", () => {
  test.each<[string, string, string]>([
    ["a mistyped ttl", `"points":100,"tttl":"60s"`, "tttl"],
    ["a mistyped request id", `"points":100,"reqestId":"order-9"`, "reqestId"],
    ["another case", `"Points":100`, "Points"],
    ["null", `"points":100,"colour":null`, "colour"],
    ["like a member of every object", `"points":100,"toString":1`, "toString"],
    ["__proto__", `"points":100,"__proto__":{}`, "__proto__"],
    ["an extension", `"points":100,"[points.v1.colour]":1`, "[points.v1.colour]"],
  ])("%s", async (_, members, field) => {
    const refusal = await refusedUnchanged(server, () => json(recharge(members)));
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
    expect(refusal.message).toBe(`${field} is no field of points.v1.RechargeRequest`);
  });

  test.each<[string, string, string]>([
    ["Consume", `{"userId":"ada","usage":{"service":"tts","duratoin":"3s"}}`, "usage.duratoin"],
    [
      "ApplyBatch",
      `{"operations":[{"consume":{"userId":"ada","points":1}},{"recharge":{"userId":"ada","points":"1","tttl":"1s"}}]}`,
      "operations[1].recharge.tttl",
    ],
    ["ListEntries", `{"userId":"ada","kindz":[]}`, "kindz"],
  ])("within a %s, with the way to it", async (method, body, field) => {
    const refusal = await refusedUnchanged(server, () => json({ method, body }));
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test("of 60,000 bytes, in a short answer", async () => {
    const refusal = await json(recharge(`"${"x".repeat(60_000)}":1`));
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.message.length).toBeLessThan(4096);
  });

  test.each(["connect", "grpc", "grpc-web", "connect-stream", "grpc-stream"] as const)(
    "over %s",
    async (protocol) => {
      const operation = `{"consume":{"userId":"ada","points":"1","reqestId":"o"}}`;
      const refusal = await refusedUnchanged(server, () => over(protocol, operation));
      const field = protocol.endsWith("stream") ? "operation." : "operations[0].";
      const fields = [`${field}consume.reqestId`];
      expect(refusal).toMatchObject({ ...FIELD_INVALID, fields });
    },
  );

  test("is counted", async () => {
    const before = await countOf("FIELD_INVALID");
    await json(recharge(`"points":100,"tttl":"60s"`));
    expect((await countOf("FIELD_INVALID")) - before).toBe(1);
  });
});

describe("a value that is not what protobuf's JSON has is refused by its field's name", () => {
  const WHOLE = "must be a whole number, in decimal digits";
  const TIME = "must be a time such as 2030-01-31T12:00:00Z";
  const LENGTH = "must be seconds such as 90s or 0.25s";
  test.each<[string, string, string]>([
    [`"points":"0x10"`, "points", WHOLE],
    [`"points":"0b11"`, "points", WHOLE],
    [`"points":"0o17"`, "points", WHOLE],
    [`"points":"017"`, "points", WHOLE],
    [`"points":" 12 "`, "points", WHOLE],
    [`"points":"12\\n"`, "points", WHOLE],
    [`"points":"+12"`, "points", WHOLE],
    [`"points":"1_000"`, "points", WHOLE],
    [`"points":"1e3"`, "points", WHOLE],
    [`"points":"１２"`, "points", WHOLE],
    [`"points":""`, "points", WHOLE],
    [`"points":"NaN"`, "points", WHOLE],
    [`"points":true`, "points", WHOLE],
    [`"points":{}`, "points", WHOLE],
    [`"points":1.5`, "points", "must be a whole number"],
    [`"points":1e-3`, "points", "must be a whole number"],
    [`"points":1e400`, "points", "must be a whole number"],
    [`"points":9007199254740993`, "points", "is too large for a number: write it as a string"],
    [
      `"points":"9223372036854775808"`,
      "points",
      "must be from -9223372036854775808 to 9223372036854775807",
    ],
    [`"points":5,"priority":"0x1"`, "priority", WHOLE],
    [`"points":5,"priority":" 1"`, "priority", WHOLE],
    [`"points":5,"priority":4294967297`, "priority", "must be from -2147483648 to 2147483647"],
    [`"points":5,"requestId":17`, "request_id", "must be a string"],
    [`"points":5,"metadata":{"k":1}`, 'metadata["k"]', "must be a string"],
    [`"points":5,"metadata":"k"`, "metadata", "must be an object"],
    [`"points":5,"expireTime":"2030-02-31T00:00:00Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2100-02-29T00:00:00Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-04-31T00:00:00Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-13-01T00:00:00Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-00T00:00:00Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-31T24:00:00Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-31T23:59:60Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-31T00:00:00+24:00"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-31T00:00:00+0100"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-31T00:00:00"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-31 00:00:00Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-31"`, "expire_time", TIME],
    [`"points":5,"expireTime":"2030-01-31T00:00:00.0000000001Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"10000-01-01T00:00:00Z"`, "expire_time", TIME],
    [`"points":5,"expireTime":"0000-01-01T00:00:00Z"`, "expire_time", TIME],
    [`"points":5,"ttl":"1.0000000001s"`, "ttl", LENGTH],
    [`"points":5,"ttl":"60"`, "ttl", LENGTH],
    [`"points":5,"ttl":60`, "ttl", LENGTH],
    [`"points":5,"ttl":"1m"`, "ttl", LENGTH],
    [`"points":5,"ttl":"60s and more"`, "ttl", LENGTH],
    [`"points":5,"ttl":"1e3s"`, "ttl", LENGTH],
    [`"points":5,"ttl":" 60s"`, "ttl", LENGTH],
    [`"points":5,"ttl":"400000000000s"`, "ttl", LENGTH],
    [`"points":5,"user_id":"bob"`, "user_id", "is there twice, as userId and user_id"],
    [
      `"points":5,"ttl":"9s","expireTime":"2099-01-01T00:00:00Z"`,
      "expiration",
      "takes one of expireTime, ttl",
    ],
  ])("%s", async (members, field, description) => {
    const refusal = await refusedUnchanged(server, () => json(recharge(members)));
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
    expect(refusal.message).toBe(`${field} ${description}`);
  });

  test.each([
    ["a kind that there is not", `{"userId":"ada","kinds":["ENTRY_KIND_STEAL"]}`, "kinds[0]"],
    ["half a kind", `{"userId":"ada","kinds":[1,1.5]}`, "kinds[1]"],
    ["null among kinds", `{"userId":"ada","kinds":[null]}`, "kinds[0]"],
    ["kinds that are no list", `{"userId":"ada","kinds":1}`, "kinds"],
  ])("%s", async (_, body, field) => {
    const refusal = await json({ method: "ListEntries", body });
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: [field] });
  });

  test("a member that is there twice, of which neither is taken", async () => {
    const call = recharge(`"points":1,"points":2`);
    const refusal = await refusedUnchanged(server, () => json(call));
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: ["points"] });
  });

  test("bytes that are no UTF-8", async () => {
    const body = Uint8Array.from(
      Buffer.from(recharge(`"points":5,"requestId":"\xe9"`).body, "latin1"),
    );
    const refusal = await refusedUnchanged(server, () => json({ method: "Recharge", body }));
    expect(refusal).toMatchObject(FIELD_INVALID);
    expect(refusal.message).toBe("the request is not JSON in UTF-8");
  });
});

describe("what protobuf's JSON has is taken", () => {
  test.each([
    `"points":1e3`,
    `"points":1000.0`,
    `"points":"1000"`,
    `"points":1000,"priority":"7"`,
    `"points":1000,"request_id":null,"priority":null,"ttl":"0.000001s"`,
    `"points":1000,"expireTime":"2096-02-29T23:59:59.999999999+14:00"`,
    `"points":1000,"expireTime":"9999-12-31T23:59:59Z"`,
    `"points":1000,"metadata":{"0x10":"1e3","tttl":"x"}`,
  ])("%s", async (members) => {
    const call = recharge(members);
    const { account: before } = await server.client.getOrCreate({ userId: "ada" });
    expect(await callJson(server.baseUrl, call)).toBeUndefined();
    const { account: after } = await server.client.getOrCreate({ userId: "ada" });
    expect(after!.totalRecharged - before!.totalRecharged).toBe(1000n);
  });
});

/** The refusal of an operation that is sent by a call or a stream of JSON. */
async function over(protocol: string, operation: string): Promise<Refusal> {
  const batch = `{"operations":[${operation}]}`;
  const framed = envelope(Buffer.from(batch));
  const single = envelope(Buffer.from(`{"operation":${operation}}`));
  const grpc = { "content-type": "application/grpc+json" };
  switch (protocol) {
    case "grpc":
      return refused(
        callGrpc(server.baseUrl, { method: "ApplyBatch", body: framed, headers: grpc }),
      );
    case "grpc-web": {
      const headers = { "content-type": "application/grpc-web+json" };
      return refused(callGrpcWeb(server.baseUrl, { method: "ApplyBatch", body: framed, headers }));
    }
    case "grpc-stream":
      return refused(callGrpc(server.baseUrl, { method: "Apply", body: single, headers: grpc }));
    case "connect-stream":
      return refused(connectStream(single));
    default:
      return json({ method: "ApplyBatch", body: batch });
  }
}

/** The error in the last message of an Apply in Connect's JSON. */
async function connectStream(body: Uint8Array): Promise<ConnectError> {
  const session = http2.connect(server.baseUrl);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": "/points.v1.PointsService/Apply",
      "content-type": "application/connect+json",
    });
    let answer = Buffer.alloc(0);
    stream.on("data", (chunk: Buffer) => (answer = Buffer.concat([answer, chunk])));
    stream.end(body);
    await once(stream, "end");
    const { error } = JSON.parse(answer.subarray(5).toString()) as { error: never };
    return errorFromJson(error, undefined, new ConnectError("no error"));
  } finally {
    session.destroy();
  }
}

async function refused(call: Promise<ConnectError | undefined>): Promise<Refusal> {
  const error = await call;
  if (error === undefined) throw new Error("the call succeeded");
  return readRefusal(error);
}

async function countOf(reason: string): Promise<number> {
  const line = new RegExp(`^points_refusals_total\\{reason="${reason}"\\} (\\d+)$`, "m");
  return Number(line.exec(await server.metrics())?.[1] ?? 0);
}
