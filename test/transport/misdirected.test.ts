import { once } from "node:events";
import * as http2 from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testServer, type TestServer } from "../support/server.ts";

// The answers to people who try the API by hand, or whose gateway calls it in another way.

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

const RECHARGE = "/points.v1.PointsService/Recharge";
const APPLY = "/points.v1.PointsService/Apply";
const TYPES = "application/grpc or application/grpc-web";

type Case = [
  what: string,
  status: number,
  allow: string | undefined,
  text: string,
  asked: Record<string, string>,
];

describe("a request that is no call says how to call, in a line", () => {
  const cases: Case[] = [
    ["GET", 405, "POST", `call ${RECHARGE} with POST\n`, { ":method": "GET" }],
    ["DELETE", 405, "POST", `call ${RECHARGE} with POST\n`, { ":method": "DELETE" }],
    [
      "GET of a stream",
      405,
      "POST",
      `call ${APPLY} with POST\n`,
      { ":method": "GET", ":path": APPLY },
    ],
    [
      "no content type",
      415,
      undefined,
      `call ${RECHARGE} with a content-type of application/json, application/proto, ${TYPES}\n`,
      {},
    ],
    [
      "another content type",
      415,
      undefined,
      `call ${RECHARGE} with a content-type of application/json, application/proto, ${TYPES}\n`,
      { "content-type": "text/plain" },
    ],
    [
      "the content type of one message for a stream",
      415,
      undefined,
      `call ${APPLY} with a content-type of application/connect+json, ` +
        `application/connect+proto, ${TYPES}\n`,
      { "content-type": "application/json", ":path": APPLY },
    ],
  ];
  test.each(cases)("%s: %i, over HTTP/2", async (_, status, allow, text, asked) => {
    expect(await ask(asked)).toMatchObject({
      status,
      allow,
      type: "text/plain; charset=utf-8",
      body: text,
    });
  });

  test.each(cases.filter(([, , , , asked]) => asked[":path"] !== APPLY))(
    "%s: %i, over HTTP/1.1",
    async (_, status, allow, text, { ":method": method = "POST", ...headers }) => {
      const hasBody = method === "POST";
      // With a text as the body, fetch would name its type.
      const body = hasBody ? new TextEncoder().encode("{}") : null;
      const answer = await fetch(server.baseUrl + RECHARGE, { method, headers, body });
      expect(answer.status).toBe(status);
      expect(answer.headers.get("allow") ?? undefined).toBe(allow);
      expect(await answer.text()).toBe(text);
    },
  );

  test("HEAD: 405 without a line", async () => {
    const answer = await ask({ ":method": "HEAD" });
    expect(answer).toMatchObject({ status: 405, allow: "POST", body: "" });
  });

  test("a stream both ways over HTTP/1.1: 505", async () => {
    const headers = { "content-type": "application/connect+json" };
    const answer = await fetch(server.baseUrl + APPLY, { method: "POST", headers, body: "{}" });
    expect(answer.status).toBe(505);
    expect(await answer.text()).toBe(`${APPLY} streams both ways: call it over HTTP/2\n`);
  });
});

describe("an RPC that does not exist is UNIMPLEMENTED, in one HEADERS frame without DATA", () => {
  const paths = [
    ["an unknown method", "/points.v1.PointsService/Steal"],
    ["an unknown service", "/points.v1.Bank/Recharge"],
    ["a path that is none", "/"],
  ] as const;
  const ways = [
    ["a unary call", true],
    ["a stream that is still sent", false],
  ] as const;
  test.each(
    paths.flatMap(([what, path]) => ways.map(([way, ends]) => [what, way, path, ends] as const)),
  )("%s, by %s", async (_what, _way, path, ends) => {
    const session = http2.connect(server.baseUrl);
    try {
      const type = { "content-type": "application/grpc", te: "trailers" };
      const stream = session.request({ ":method": "POST", ":path": path, ...type });
      let data = 0;
      stream.on("data", () => (data += 1)).on("error", () => {});
      const trailers: unknown[] = [];
      stream.on("trailers", (found) => trailers.push(found));
      const closed = once(stream, "close");
      if (ends) stream.end(Buffer.alloc(5));
      else stream.write(Buffer.alloc(5));
      const [headers, flags] = (await once(stream, "response")) as [
        http2.IncomingHttpHeaders,
        number,
      ];
      await closed;
      expect(headers).toMatchObject({ ":status": 200, "grpc-status": "12" });
      expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).toBeGreaterThan(0);
      expect([data, trailers]).toEqual([0, []]);
    } finally {
      session.destroy();
    }
  });
});

async function ask(headers: Record<string, string>) {
  const session = http2.connect(server.baseUrl);
  try {
    const stream = session.request({ ":method": "POST", ":path": RECHARGE, ...headers });
    let body = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    stream.on("error", () => {});
    const closed = once(stream, "close");
    stream.end();
    const [answer] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    await closed;
    const { ":status": status, allow, "content-type": type } = answer;
    return { status, allow, type, body };
  } finally {
    session.destroy();
  }
}
