import { once } from "node:events";
import * as http2 from "node:http2";
import * as tls from "node:tls";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { makeAuthority } from "../support/certificates.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { forwardClock } from "../support/forward-clock.ts";
import { openApply, grant } from "../support/open-apply.ts";
import { WAIT_MS } from "../support/patience.ts";
import { envelope } from "../support/raw-call.ts";
import { serveCertified } from "../support/served-app.ts";

// A connection outlives the authorities that its client's certificate was checked against.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test("a certificate stays valid while its authority is one of several", async () => {
  const { client, authority, trust } = await serveCertified(database);
  const apply = openApply(client);
  await client.getPriceList({});
  await trust(await makeAuthority(), authority);
  await apply.write(grant("ada"));
  expect(await apply.next()).toBe(": recharge");
  await client.getPriceList({});
});

test("after its authority was replaced, a client's new certificate counts after one refusal", async () => {
  const { client, nodeOptions, trust } = await serveCertified(database);
  await client.getPriceList({});
  const next = await makeAuthority();
  await trust(next);
  Object.assign(nodeOptions, await next.sign("app.internal"));
  expect(await refusalOf(client.getPriceList({}))).toMatchObject({
    reason: "UNAUTHENTICATED",
    outcome: "NOT_APPLIED",
    message: expect.stringContaining("connect again") as string,
  });
  // On another connection.
  await vi.waitFor(() => client.getPriceList({}), WAIT_MS);
});

test("a connection of HTTP/1.1 is closed with that refusal", async () => {
  const { nodeOptions, server, trust } = await serveCertified(database);
  const socket = tls.connect({ ...nodeOptions, host: "127.0.0.1", port: server.port });
  onTestFinished(() => void socket.destroy());
  let answers = "";
  socket.on("data", (chunk) => (answers += String(chunk)));
  const head = "POST /points.v1.PointsService/GetPriceList HTTP/1.1\r\nhost: localhost\r\n";
  const request = `${head}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
  socket.write(request);
  await vi.waitUntil(() => answers.startsWith("HTTP/1.1 200 "), WAIT_MS);
  answers = "";
  await trust(await makeAuthority());
  const closed = once(socket, "close");
  socket.write(request);
  await closed;
  expect(answers).toMatch(/^HTTP\/1.1 401 [^]*connect again/);
});

test("a certificate that will soon expire has its connection closed, and no call refused", async () => {
  const { server, nodeOptions } = await serveCertified(database);
  const session = http2.connect(server.baseUrl, nodeOptions);
  onTestFinished(() => session.destroy());
  const goaway = once(session, "goaway");
  const call = async () => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/points.v1.PointsService/GetPriceList",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.resume().end(envelope(new Uint8Array()));
    const [trailers] = (await once(stream, "trailers")) as [http2.IncomingHttpHeaders];
    return trailers["grpc-status"];
  };
  expect(await call()).toBe("0");
  forwardClock(86_400_000 - 240_000);
  expect(await call()).toBe("0");
  await goaway;
});
