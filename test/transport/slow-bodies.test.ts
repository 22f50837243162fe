import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { ConsumeRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { type Callers, tokenOf } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal } from "../support/error-info.ts";
import { WAIT_MS } from "../support/patience.ts";
import { envelope } from "../support/raw-call.ts";
import { points } from "../support/requests.ts";
import { MAY_ALL, serveApp } from "../support/served-app.ts";
import { testServer } from "../support/server.ts";

// A caller is let in by the head of a call, and may be out before its body is there.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  const open = await testServer({}, database);
  await open.client.recharge({ userId: "ada", points: 1_000n });
  await open.stop();
});
afterAll(() => database.close());

const OUT = { code: "Unauthenticated", reason: "UNAUTHENTICATED", outcome: "NOT_APPLIED" };
const DENIED = { code: "PermissionDenied", reason: "PERMISSION_DENIED", outcome: "NOT_APPLIED" };
async function balance(userId: string): Promise<bigint> {
  const [row] = await database.query("select balance from points.account where user_id = $1", [
    userId,
  ]);
  return BigInt(row!["balance"] as string);
}

describe("a call whose body comes after its caller is out is refused", () => {
  const consume = (userId: string) =>
    toBinary(ConsumeRequestSchema, create(ConsumeRequestSchema, { userId, cost: points(1n) }));
  const head = {
    ":method": "POST",
    ":path": "/points.v1.PointsService/Consume",
    authorization: `Bearer ${tokenOf("app")}`,
  };
  const changes: [string, Callers, typeof OUT][] = [
    ["whom nobody knows", {}, OUT],
    ["who lost the scope", { app: { scopes: ["points.read"] } }, DENIED],
    ["who lost the user", { app: { ...MAY_ALL, prefix: "eu-" } }, DENIED],
  ];

  test.each(
    ["the fast way", "Connect's way"].flatMap((way) =>
      changes.map((change) => [way, ...change] as const),
    ),
  )("in gRPC, %s: %s", async (way, _, changed, expected) => {
    let admitted = 0;
    const { server, become } = await serveApp(
      database,
      MAY_ALL,
      {},
      (take) => (stream, headers) => {
        const taken = way === "the fast way" && take(stream, headers);
        admitted += 1;
        return taken;
      },
    );
    const before = await balance("ada");
    const session = http2.connect(server.baseUrl);
    onTestFinished(() => session.destroy());
    const grpc = { ...head, "content-type": "application/grpc", te: "trailers" };
    const stream = session.request(grpc, { endStream: false });
    stream.on("error", () => {});
    const found = new Headers();
    const collect = (fields: http2.IncomingHttpHeaders) => {
      for (const [name, value] of Object.entries(fields)) {
        if (!name.startsWith(":")) found.set(name, String(value));
      }
    };
    stream.on("response", collect).on("trailers", collect).resume();
    const ended = once(stream, "end");
    await vi.waitUntil(() => admitted > 0, WAIT_MS);
    // In Connect's way a little comes after the head.
    await server.client.listPrices({}).catch(() => {});
    await become(changed);
    if (!stream.destroyed) stream.end(envelope(consume("ada")));
    await ended;
    expect(readRefusal(findTrailerError(found))).toMatchObject(expected);
    expect(await balance("ada")).toBe(before);
  });

  test.each(changes)("in JSON: %s", async (_, changed, expected) => {
    const { server, become } = await serveApp(database);
    const before = await balance("ada");
    const body = '{"userId":"ada","points":"1"}';
    const socket = net.connect(server.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    let answer = "";
    socket.on("data", (chunk) => (answer += String(chunk)));
    socket.write(
      `POST ${head[":path"]} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n` +
        `authorization: ${head.authorization}\r\ncontent-type: application/json\r\n` +
        `content-length: ${body.length}\r\n\r\n${body.slice(0, 9)}`,
    );
    // A call behind it on another connection has it read.
    await server.client.listPrices({}).catch(() => {});
    await become(changed);
    const closed = once(socket, "close");
    socket.write(body.slice(9));
    await closed;
    expect(answer).toMatch(expected === OUT ? /^HTTP\/1.1 401 / : /^HTTP\/1.1 403 /);
    expect(answer).toContain(`"reason":"${expected.reason}"`);
    expect(await balance("ada")).toBe(before);
  });
});
