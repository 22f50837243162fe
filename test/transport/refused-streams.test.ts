import { once } from "node:events";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { type Field, frame, TYPE } from "../attack/frames.ts";
import { data, headers, withField } from "../attack/target.ts";
import { HELLO, openWire } from "../attack/wire.ts";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";

// A stream of requests is refused before it ends, while its caller goes on sending. The answer comes,
// and then the stream is closed: else the caller would fill its window and wait for ever.

let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = await makeFolder("refused-streams");
  const callers = await writeCallers(folder, {
    spender: { scopes: ["points.spend"] },
  });
  // The slow-request guard looks for answered streams twenty times in this time.
  server = await testServer({ ...callers, BODY_MS: "400" });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const APPLY = `/${PointsService.typeName}/Apply`;
const REFLECTION = `/${ServerReflection.typeName}/ServerReflectionInfo`;
const LARGE = Buffer.of(0, 0x7f, 0xff, 0xff, 0xff);
const AUTHORIZED: Field = ["authorization", `Bearer ${tokenOf("spender")}`];

describe.each([
  ["gRPC", "application/grpc", "200 grpc"],
  ["gRPC-Web", "application/grpc-web+proto", "200"],
  ["Connect", "application/connect+proto", "200"],
])("over %s", (_, type, answer) => {
  const head = (path: string): Field[] =>
    withField(":path", path).map(([name, value]) => {
      return [name, name === "content-type" ? type : value];
    });
  const statusOf = (code: Code) => (type === "application/grpc" ? `${answer} ${code}` : answer);

  test.each([
    ["without a token", headers(head(APPLY)), Code.Unauthenticated],
    ["without a token, of reflection", headers(head(REFLECTION)), Code.Unauthenticated],
    [
      "with a first message that is too large",
      headers([...head(APPLY), AUTHORIZED]),
      Code.ResourceExhausted,
    ],
  ])("one %s is answered, and then closed without an error", async (_what, first, code) => {
    const wire = openWire(server.port);
    wire.send(HELLO, first, data(LARGE, 1, 0));
    // In small pieces: nobody reads them any more, and a full window would be the caller's fault.
    const sending = setInterval(() => wire.send(frame(TYPE.DATA, 0, 1, Buffer.alloc(1))), 10);
    await wire.until(() => wire.reset(1) !== undefined);
    clearInterval(sending);
    expect({ answer: wire.outcome(1), reset: wire.reset(1) }).toEqual({
      answer: statusOf(code),
      reset: 0,
    });
    expect(await wire.pings()).toBe(true);
    wire.close();
  });
});

test("after a refused stream its caller's connection serves other calls", async () => {
  const wire = openWire(server.port);
  wire.send(HELLO, headers(withField(":path", APPLY)), data(Buffer.alloc(10_000), 1, 0));
  expect(await wire.until(() => wire.reset(1) !== undefined)).toBe(true);
  const call = withField(":path", "/grpc.health.v1.Health/Check");
  wire.send(headers(call, 3), data(Buffer.alloc(5), 3));
  expect(await wire.until(() => wire.outcome(3) !== undefined)).toBe(true);
  expect(wire.outcome(3)).toBe("200 grpc 0");
  wire.close();
});

test("a generated client that never stops sending is told why", async () => {
  const endless = async function* () {
    for (;;) {
      yield { tag: "x".repeat(100) };
      await sleep(1);
    }
  };
  const stream = clientWith(server.baseUrl, undefined).apply(endless());
  await expect(async () => {
    for await (const _ of stream);
  }).rejects.toMatchObject({ code: Code.Unauthenticated });
});

test("a stream that is not refused stays open while its caller is silent", async () => {
  const wire = openWire(server.port);
  wire.send(HELLO, headers([...withField(":path", APPLY), AUTHORIZED]));
  await sleep(1_000);
  expect([wire.outcome(1), wire.reset(1)]).toEqual([undefined, undefined]);
  wire.send(data(Buffer.alloc(5)));
  expect(await wire.until(() => wire.outcome(1) !== undefined)).toBe(true);
  expect(wire.outcome(1)).toBe("200 grpc 0");
  wire.socket.end();
  await once(wire.socket, "close");
});
