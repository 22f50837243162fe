import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { testDatabase } from "../support/database.ts";
import { type RunningPoints, sessionsTo, startPoints } from "../support/processes.ts";

const PATH = "/points.v1.PointsService/GetPriceList?encoding=json&message=%7B%7D";
const GET = `GET ${PATH} HTTP/1.1\r\n`;
const POST =
  "POST /points.v1.PointsService/GetPriceList HTTP/1.1\r\ncontent-type: application/json\r\n" +
  "content-length: 2\r\n";

// A server of its own: the fault ended the process.
test.each([
  ["GET", `${GET}host: localhost\r\n\r\n`],
  ["POST", `${POST}host: localhost\r\n\r\n{}`],
])("a server outlives connections that break in the midst of pipelined %s", async (_, request) => {
  const server = await started();
  for (let broken = 0; broken < 25; broken += 1) {
    const socket = net.connect(server.port, "127.0.0.1").on("error", () => {});
    await once(socket, "connect");
    socket.write(request.repeat(200));
    await once(socket, "data");
    socket.resetAndDestroy();
  }
  await expectAnswers(server);
});

test("a connection with too many unanswered requests is ended", async () => {
  const server = await started({ STREAMS_MAX_PER_CONNECTION: "20" });
  const socket = net.connect(server.port, "127.0.0.1").on("error", () => {});
  await once(socket, "connect");
  const closed = once(socket.resume(), "close");
  socket.write(`${GET}host: localhost\r\n\r\n`.repeat(200));
  await closed;
  await expectAnswers(server);
});

test("a server outlives HTTP/2 connections that break in the midst of GETs", async () => {
  const server = await started();
  for (let broken = 0; broken < 25; broken += 1) {
    const session = http2.connect(server.baseUrl).on("error", () => {});
    const streams = Array.from({ length: 100 }, () =>
      session.request({ ":path": PATH }).on("error", () => {}),
    );
    await once(streams[0]!, "response");
    session.destroy();
  }
  await expectAnswers(server);
});

async function expectAnswers(server: RunningPoints): Promise<void> {
  const { baseUrl } = server;
  const transport = createGrpcTransport({ baseUrl, sessionManager: sessionsTo(baseUrl) });
  const { prices } = await createClient(PointsService, transport).getPriceList({});
  expect(prices).not.toEqual([]);
  expect((await server.end("SIGTERM")).code).toBe(0);
}

async function started(environment: Record<string, string> = {}): Promise<RunningPoints> {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  return startPoints({ DATABASE_URL: database.url, DRAIN_MS: "1000", ...environment });
}
