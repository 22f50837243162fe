import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ConsumeRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { type Callers, tokenOf } from "../support/callers.ts";
import type { TestDatabase } from "../support/database.ts";
import { readRefusal } from "../support/error-info.ts";
import { envelope } from "../support/raw-call.ts";
import { points } from "../support/requests.ts";
import { MAY_ALL, serveApp } from "../support/served-app.ts";
import { fastPathCalls, withQuery } from "../support/via-connect.ts";
import { balanceOf, databaseOf, DENIED, OUT } from "../support/withdrawal.ts";

// A caller is admitted by the head of a call, and may be withdrawn before the body arrives.

let database: TestDatabase;
beforeAll(async () => {
  database = await databaseOf("ada");
});
afterAll(() => database.close());

describe("a call whose body comes after its caller was withdrawn is refused", () => {
  const consume = (userId: string) =>
    toBinary(ConsumeRequestSchema, create(ConsumeRequestSchema, { userId, cost: points(1n) }));
  const head = {
    ":method": "POST",
    ":path": "/points.v1.PointsService/Consume",
    authorization: `Bearer ${tokenOf("app")}`,
  };
  const changes: [string, Callers, typeof OUT][] = [
    ["the caller is unknown", {}, OUT],
    ["the caller lost the scope", { app: { scopes: ["points.read"] } }, DENIED],
    ["the caller lost the user", { app: { ...MAY_ALL, prefix: "eu-" } }, DENIED],
  ];

  const ways = [
    ["the fast path", head[":path"], 1],
    ["Connect", withQuery(head[":path"]), 0],
  ] as const;
  test.each(ways.flatMap((way) => changes.map((change) => [...way, ...change] as const)))(
    "in gRPC, by %s, $3",
    async (_way, path, fastPath, _, changed, expected) => {
      const { server, become } = await serveApp(database);
      const before = await balanceOf(database, "ada");
      const session = http2.connect(server.baseUrl);
      onTestFinished(() => session.destroy());
      const grpc = { ...head, ":path": path, "content-type": "application/grpc", te: "trailers" };
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
      // When a later call on the same connection is answered, the head has been read.
      const next = session.request({ ...grpc, ":path": "/grpc.health.v1.Health/Check" });
      next.on("error", () => {}).resume();
      next.end(envelope(new Uint8Array()));
      await once(next, "end");
      expect(await fastPathCalls(server)).toBe(fastPath + 1);
      await become(changed);
      if (!stream.destroyed) stream.end(envelope(consume("ada")));
      await ended;
      expect(readRefusal(findTrailerError(found))).toMatchObject(expected);
      expect(await balanceOf(database, "ada")).toBe(before);
    },
  );

  test.each(changes)("in JSON: %s", async (_, changed, expected) => {
    const { server, become } = await serveApp(database);
    const before = await balanceOf(database, "ada");
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
    // When a later call is answered, this part has been read.
    await server.client.listPrices({}).catch(() => {});
    await become(changed);
    const closed = once(socket, "close");
    socket.write(body.slice(9));
    await closed;
    expect(answer).toMatch(expected === OUT ? /^HTTP\/1.1 401 / : /^HTTP\/1.1 403 /);
    expect(answer).toContain(`"reason":"${expected.reason}"`);
    expect(await balanceOf(database, "ada")).toBe(before);
  });
});
