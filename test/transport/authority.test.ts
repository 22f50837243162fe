import { once } from "node:events";
import { rm } from "node:fs/promises";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { RechargeRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { serveAdmin } from "../../src/telemetry/admin.ts";
import { pageGuard } from "../../src/transport/authority.ts";
import { tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal } from "../support/error-info.ts";
import { envelope } from "../support/raw-call.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { withQuery } from "../support/via-connect.ts";

// A web page has a browser call a server on this machine: by a name of the page's owner that leads
// here (DNS rebinding), or with the Origin of another site.

describe("on loopback without authentication the authority", () => {
  const guard = pageGuard({ host: "127.0.0.1", hasAuthentication: false, hasTls: false });

  test.each([
    "localhost",
    "LOCALHOST:50051",
    "localhost.",
    "points.localhost:50051",
    "127.0.0.1",
    "10.1.2.3:80",
    "[::1]:50051",
    "%2Frun%2Fpoints.sock",
    // grpcio 1.85 sends this form.
    "run%2Fpoints.sock",
    "tmp%2Fa%20b%2Fpoints.sock",
    undefined,
  ])("%s is served", (authority) => {
    expect(guard({ ":authority": authority })).toBeUndefined();
    expect(guard({ host: authority })).toBeUndefined();
  });

  test.each([
    "evil.example",
    "evil.example:50051",
    "localhost.evil.example",
    "evil-localhost",
    "evil.example#.localhost",
    "127.0.0.1.evil.example",
    "points",
    "points.sock",
    "1.2.3.4.5",
    "::1",
    "a:b",
    "%",
    "evil.example%2",
    "",
  ])("%j is refused", (authority) => {
    for (const headers of [{ ":authority": authority }, { host: authority }]) {
      expect(readRefusal(guard(headers))).toMatchObject({
        reason: "PERMISSION_DENIED",
        outcome: "NOT_APPLIED",
        metadata: { authority },
        message: expect.stringContaining("localhost") as string,
      });
    }
  });

  test.each([
    { host: "127.0.0.1", hasAuthentication: true, hasTls: false },
    { host: "0.0.0.0", hasAuthentication: false, hasTls: false },
    { host: "points.internal", hasAuthentication: false, hasTls: true },
  ])("is any, where it is not so: %j", (options) => {
    expect(pageGuard(options)({ ":authority": "evil.example" })).toBeUndefined();
  });
});

describe("an Origin", () => {
  const served: [string, string][] = [
    ["http://127.0.0.1:50051", "127.0.0.1:50051"],
    ["http://localhost", "localhost"],
    ["http://localhost", "localhost:80"],
    ["http://[::1]:50051", "[::1]:50051"],
    ["https://points.example", "points.example"],
    ["https://points.example", "points.example:443"],
    ["https://Points.example", "points.EXAMPLE"],
  ];
  const refused: [string, string][] = [
    ["http://evil.example", "127.0.0.1:50051"],
    ["http://127.0.0.1:3000", "127.0.0.1:50051"],
    ["http://localhost:50051", "127.0.0.1:50051"],
    ["http://localhost", "localhost:443"],
    ["https://points.example:8443", "points.example"],
    ["null", "localhost"],
    ["", "localhost"],
    ["capacitor://localhost", "localhost"],
    ["http://localhost, http://evil.example", "localhost"],
    ["http://", "localhost"],
    ["http://run%2Fpoints.sock", "run%2Fpoints.sock"],
  ];
  const guard = pageGuard({ host: "0.0.0.0", hasAuthentication: true, hasTls: false });

  test.each(served)("%s is served as %s", (origin, authority) => {
    expect(guard({ ":authority": authority, origin })).toBeUndefined();
    expect(guard({ host: authority, origin })).toBeUndefined();
  });

  test.each(refused)("%j is refused as %s", (origin, authority) => {
    const refusal = readRefusal(guard({ ":authority": authority, origin }));
    expect(refusal).toMatchObject({ reason: "PERMISSION_DENIED", metadata: { origin } });
    expect(guard({ host: authority, origin })).toBeDefined();
  });

  test("is refused where there is no authority", () => {
    expect(guard({ origin: "http://localhost" })).toBeDefined();
  });

  test("of a page without TLS is refused by a server that has it", () => {
    const secure = pageGuard({ host: "0.0.0.0", hasAuthentication: true, hasTls: true });
    const headers = { ":authority": "points.example" };
    expect(secure({ ...headers, origin: "https://points.example" })).toBeUndefined();
    expect(secure({ ...headers, origin: "http://points.example" })).toBeDefined();
  });
});

let folder: string;
let database: TestDatabase;
let open: TestServer;
let asking: TestServer;
let wide: TestServer;
beforeAll(async () => {
  folder = await makeFolder("authority");
  database = await testDatabase();
  const callers = await writeCallers(folder, { all: { scopes: ["points.grant", "points.read"] } });
  open = await testServer({}, database);
  asking = await testServer(callers, database);
  wide = await testServer({ LISTEN: "0.0.0.0:0", INSECURE: "allow" }, database);
});
afterAll(async () => {
  for (const server of [open, asking, wide]) await server.stop();
  await database.close();
  await rm(folder, { recursive: true });
});

const USER = "ada";
const recharge = toBinary(
  RechargeRequestSchema,
  create(RechargeRequestSchema, { userId: USER, points: 1n }),
);
const RECHARGE = { method: "POST", path: "/points.v1.PointsService/Recharge" };
const WATCH = { method: "POST", path: "/points.v1.PointsService/WatchAccount" };
const json = JSON.stringify({ userId: USER, points: 1 });
// The user has no account, so that the watch ends with an answer.
const watch = envelope(Buffer.from('{"userId":"nobody"}'));

type Call = {
  readonly method: string;
  readonly path: string;
  readonly type?: string;
  readonly body?: Uint8Array | string;
};

const GRPC: [string, Call][] = [
  ["gRPC by the fast path", { ...RECHARGE, type: "application/grpc", body: envelope(recharge) }],
  [
    "gRPC by Connect",
    {
      ...RECHARGE,
      path: withQuery(RECHARGE.path),
      type: "application/grpc",
      body: envelope(recharge),
    },
  ],
  [
    "a stream of gRPC",
    { ...RECHARGE, path: "/points.v1.PointsService/Apply", type: "application/grpc" },
  ],
  ["an unknown RPC", { method: "POST", path: "/a.B/C", type: "application/grpc" }],
];
const ANY_HTTP: [string, Call][] = [
  ["gRPC-Web", { ...RECHARGE, type: "application/grpc-web+proto", body: envelope(recharge) }],
  ["Connect", { ...RECHARGE, type: "application/proto", body: recharge }],
  ["a stream of Connect", { ...WATCH, type: "application/connect+json", body: watch }],
  ["JSON", { ...RECHARGE, type: "application/json", body: json }],
  ["a form", { ...RECHARGE, type: "text/plain", body: json }],
  [
    "GET",
    {
      method: "GET",
      path: "/points.v1.PointsService/ListPrices?connect=v1&encoding=json&message={}",
    },
  ],
  ["a page", { method: "GET", path: "/" }],
  ["a preflight", { ...RECHARGE, method: "OPTIONS" }],
];
const CALLS: [string, string, Call][] = [
  ...GRPC.map(([name, call]): [string, string, Call] => [name, "HTTP/2", call]),
  ...["HTTP/1.1", "HTTP/2"].flatMap((version) =>
    ANY_HTTP.map(([name, call]): [string, string, Call] => [name, version, call]),
  ),
];

type Head = {
  readonly authority: string;
  readonly origin?: string;
  /** The number of attempts before this one. */
  readonly attempts?: string;
};
type Answer = { readonly status: number; readonly headers: Headers; readonly body: Buffer };

async function send(
  { port }: TestServer,
  version: string,
  { method, path, type, body }: Call,
  { authority, origin, attempts }: Head,
): Promise<Answer> {
  const headers = {
    ...(type === undefined ? {} : { "content-type": type }),
    ...(origin === undefined ? {} : { origin }),
    ...(attempts === undefined ? {} : { "grpc-previous-rpc-attempts": attempts }),
    authorization: `Bearer ${tokenOf("all")}`,
  };
  if (version === "HTTP/2") {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    onTestFinished(() => session.destroy());
    const pseudo = { ":method": method, ":path": path, ":authority": authority };
    const stream = session.request({ ...pseudo, ...headers }, { endStream: false });
    stream.on("error", () => {});
    stream.end(body);
    const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    const found = webHeaders(head);
    stream.on("trailers", (trailers) => webHeaders(trailers).forEach((v, k) => found.set(k, v)));
    return {
      status: Number(head[":status"]),
      headers: found,
      body: Buffer.concat(await stream.toArray()),
    };
  }
  const request = http.request({
    port,
    host: "127.0.0.1",
    method,
    path,
    headers: { ...headers, host: authority },
    agent: false,
  });
  request.end(body);
  const [answer] = (await once(request, "response")) as [http.IncomingMessage];
  const found = Buffer.concat(await answer.toArray());
  return { status: answer.statusCode!, headers: webHeaders(answer.headers), body: found };
}

function webHeaders(headers: http.IncomingHttpHeaders | http2.IncomingHttpHeaders): Headers {
  const found = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(":")) found.set(name, String(value));
  }
  return found;
}

/** The refusal in an answer of any protocol. */
function refusalIn({ status, headers, body }: Answer) {
  const isGrpc = headers.has("grpc-status");
  expect(status).toBe(isGrpc ? 200 : 403);
  const none = new ConnectError("this is no error of Connect");
  return readRefusal(
    isGrpc ? findTrailerError(headers) : errorFromJsonBytes(body, undefined, none),
  );
}

async function accounts() {
  return database.query("select user_id, sequence from points.account");
}

describe.each(CALLS)("%s over %s", (_, version, call) => {
  const own = (server: TestServer) => `127.0.0.1:${server.port}`;
  const refused = { code: "PermissionDenied", reason: "PERMISSION_DENIED", outcome: "NOT_APPLIED" };

  test("is refused by a name that a page may have made lead here", async () => {
    const before = await accounts();
    const authority = `evil.example:${open.port}`;
    for (const head of [{ authority }, { authority, origin: `http://${authority}` }]) {
      const refusal = refusalIn(await send(open, version, call, head));
      expect(refusal).toMatchObject({ ...refused, metadata: { authority } });
    }
    expect(await accounts()).toEqual(before);
  });

  test("is refused from a page of another origin, on every server", async () => {
    const before = await accounts();
    for (const server of [open, asking, wide]) {
      for (const origin of ["http://evil.example", "null"]) {
        const refusal = refusalIn(
          await send(server, version, call, { authority: own(server), origin }),
        );
        expect(refusal).toMatchObject({ ...refused, metadata: { origin } });
      }
    }
    expect(await accounts()).toEqual(before);
  });

  test("is served from a page of its own origin, and by any name where callers authenticate", async () => {
    const isServed = async (server: TestServer, head: Head) => {
      const { status, headers } = await send(server, version, call, head);
      expect(status).not.toBe(403);
      expect(headers.get("grpc-status") ?? "0").toMatch(/^(0|12)$/);
    };
    for (const server of [open, asking, wide]) {
      const authority = own(server);
      await isServed(server, { authority, origin: `http://${authority}` });
      await isServed(server, { authority: "localhost" });
    }
    await isServed(open, { authority: "run%2Fpoints.sock" });
    await isServed(open, { authority: "%2Frun%2Fpoints.sock" });
    for (const server of [asking, wide]) {
      const authority = "points.example";
      await isServed(server, { authority });
      await isServed(server, { authority, origin: `https://${authority}` });
    }
  });
});

test("a refusal in gRPC is Trailers-Only, and closes a stream that is still sent", async () => {
  const session = http2.connect(open.baseUrl);
  onTestFinished(() => session.destroy());
  for (const path of ["Apply", "Recharge", "Steal"]) {
    const stream = session.request(
      {
        ":method": "POST",
        ":path": `/points.v1.PointsService/${path}`,
        ":authority": "evil.example",
        "content-type": "application/grpc",
      },
      { endStream: false },
    );
    stream.on("error", () => {});
    const closed = once(stream, "close");
    const [, flags] = (await once(stream, "response")) as [unknown, number];
    expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).toBeGreaterThan(0);
    stream.resume();
    await closed;
  }
});

test("a refusal leaves the outcome of earlier attempts open: another server may have applied one", async () => {
  const outcomeOf = async (call: Call) => {
    const head = { authority: "evil.example", attempts: "1" };
    return refusalIn(await send(open, "HTTP/2", call, head)).outcome;
  };
  const type = "application/grpc";
  expect(await outcomeOf({ ...RECHARGE, type })).toBe("UNKNOWN");
  const reads = { method: "POST", path: "/points.v1.PointsService/ListPrices", type };
  expect(await outcomeOf(reads)).toBe("NOT_APPLIED");
});

test("refusals are counted", async () => {
  await send(open, "HTTP/2", RECHARGE, { authority: "evil.example" });
  expect(await open.metrics()).toMatch(/points_refusals_total\{reason="PERMISSION_DENIED"\} [1-9]/);
});

describe("the admin port", () => {
  async function admin(host: string) {
    const { address, close } = await serveAdmin(
      { host, port: 0 },
      { scrape: async () => "a_metric 1\n", isReady: async () => true },
    );
    onTestFinished(close);
    return async (path: string, headers: Record<string, string>): Promise<[number, string]> => {
      const { port } = address;
      const request = http.get({ port, host: "127.0.0.1", path, headers, agent: false });
      const [answer] = (await once(request, "response")) as [http.IncomingMessage];
      return [answer.statusCode!, Buffer.concat(await answer.toArray()).toString()];
    };
  }

  test.each(["/metrics", "/healthz", "/readyz", "/"])(
    "on loopback tells a page nothing of %s",
    async (path) => {
      const get = await admin("127.0.0.1");
      expect(await get(path, { host: "localhost:9090" })).not.toContain(403);
      expect(await get(path, { host: "evil.example" })).toEqual([
        403,
        expect.stringContaining("localhost"),
      ]);
      const origin = "http://evil.example";
      expect(await get(path, { host: "localhost", origin })).toContain(403);
    },
  );

  test("on loopback answers a probe of HTTP/1.0 that names no host", async () => {
    const { address, close } = await serveAdmin(
      { host: "127.0.0.1", port: 0 },
      { scrape: async () => "", isReady: async () => true },
    );
    onTestFinished(close);
    const socket = net.connect(address.port, "127.0.0.1");
    socket.end("GET /readyz HTTP/1.0\r\n\r\n");
    const answer = Buffer.concat(await socket.toArray()).toString();
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("elsewhere answers by any name, and not to a page of another origin", async () => {
    const get = await admin("0.0.0.0");
    expect(await get("/metrics", { host: "points.internal" })).toEqual([200, "a_metric 1\n"]);
    const origin = "http://evil.example";
    expect(await get("/metrics", { host: "points.internal", origin })).toContain(403);
  });
});
