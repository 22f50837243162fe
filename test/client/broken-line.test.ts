import * as http2 from "node:http2";
import type { Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPointsClient } from "../../src/client/client.ts";
import { type Break, goaway, http2Line, tcpLine } from "../support/breaking-line.ts";
import { WAIT_MS } from "../support/patience.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

// A server, or a load balancer before it, goes away during a call. The client retries the call with
// the same request id, whatever error the library makes of the broken connection.

let server: TestServer;

beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

const { constants } = http2;
const reset =
  (code: number): Break =>
  ({ stream }) =>
    stream.close(code);

/** Each breaks the line after the server applied the call, so that the answer is lost. */
const BREAKS: readonly [name: string, happens: Break][] = [
  ["is reset", reset(constants.NGHTTP2_INTERNAL_ERROR)],
  ["is refused", reset(constants.NGHTTP2_REFUSED_STREAM)],
  ["is cancelled", reset(constants.NGHTTP2_CANCEL)],
  ["is asked to calm down", reset(constants.NGHTTP2_ENHANCE_YOUR_CALM)],
  ["was not looked at, says a GOAWAY", ({ socket }) => void socket.write(goaway(0))],
  ["was not looked at, says a GOAWAY at the end", ({ socket }) => void socket.end(goaway(0))],
  ["ends with its session, by an error", ({ stream }) => stream.session?.goaway(2)],
  ["ends with its connection", ({ socket }) => void socket.end()],
  ["ends with its connection, which is reset", ({ socket }) => void socket.resetAndDestroy()],
  [
    "ends with its connection, within the answer",
    ({ stream, socket, answer }) => {
      stream.respond(answer!.headers);
      stream.write(answer!.body.subarray(0, 3), () => socket.end());
    },
  ],
];

describe.for<[string, (baseUrl: string) => Transport]>([
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["Connect", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
  ["gRPC-Web", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
])("over HTTP/2, in %s", ([protocol, transportTo]) => {
  test.for(BREAKS)("a call that %s is repeated, and applied once", async ([name, breaks]) => {
    const userId = `${protocol} ${name}`.replaceAll(/\W+/g, "-");
    await server.client.recharge({ userId, points: 100n });
    const line = await http2Line({ to: server.baseUrl, breaks }, { to: server.baseUrl });
    const client = createPointsClient(transportTo(line.baseUrl), { backoffMs: 1 });
    const call = client.consume({ userId, cost: points(30n) }, { timeoutMs: WAIT_MS });
    expect(await call).toMatchObject({ account: { balance: 70n }, replayed: true });
    expect(line.requests()).toBe(2);
  });
});

const half = (type: string) =>
  `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: 99\r\n\r\nhalf of it`;

describe.for<[string, string, (baseUrl: string) => Transport]>([
  [
    "Connect, through Node",
    "application/proto",
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  ],
  [
    "gRPC-Web, through Node",
    "application/grpc-web+proto",
    (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  ],
  [
    "Connect, through fetch",
    "application/json",
    (baseUrl) => web.createConnectTransport({ baseUrl }),
  ],
  [
    "gRPC-Web, through fetch",
    "application/grpc-web+proto",
    (baseUrl) => web.createGrpcWebTransport({ baseUrl }),
  ],
])("over HTTP/1.1, in %s", ([protocol, type, transportTo]) => {
  test("a call is retried if its connection is closed, reset, or closed within the answer", async () => {
    const userId = protocol.replaceAll(/\W+/g, "-");
    await server.client.recharge({ userId, points: 100n });
    const line = await tcpLine(
      server.baseUrl,
      (socket) => socket.end(),
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.end(half(type)),
    );
    const client = createPointsClient(transportTo(line.baseUrl), { backoffMs: 1 });
    const call = client.consume({ userId, cost: points(30n) }, { timeoutMs: WAIT_MS });
    expect(await call).toMatchObject({ account: { balance: 70n } });
    expect(line.requests()).toBe(4);
  });
});
