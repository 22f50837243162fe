import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import * as http2 from "node:http2";
import * as https from "node:https";
import * as net from "node:net";
import * as tls from "node:tls";
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import {
  type Authority,
  type Certificate,
  makeAuthority,
  writeCertificate,
} from "../support/certificates.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { WAIT_MS } from "../support/patience.ts";
import { temporaryFolder } from "../support/processes.ts";
import { testServer } from "../support/server.ts";

let authority: Authority;
let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  [authority, database] = await Promise.all([makeAuthority(), testDatabase()]);
});
afterAll(() => database.close());
beforeEach(async () => {
  folder = await temporaryFolder();
});

async function secureServer(environment: Record<string, string> = {}, client?: Certificate) {
  const files = await writeCertificate(folder, await authority.sign("localhost"));
  const nodeOptions = { ca: authority.cert, ...client };
  const server = await testServer({ ...files, ...environment }, database, nodeOptions);
  onTestFinished(() => server.stop());
  return server;
}

/** The serial number of the certificate that a server shows. */
async function shown(port: number): Promise<string> {
  const socket = tls.connect({ port, host: "127.0.0.1", ca: authority.cert });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

describe("with a certificate", () => {
  test("gRPC, and JSON over HTTP/1.1 and HTTP/2, are answered on one port", async () => {
    const { client, port } = await secureServer();
    expect((await client.getOrCreate({ userId: "ada" })).account?.userId).toBe("ada");
    const request = https.request({
      port,
      host: "127.0.0.1",
      path: "/points.v1.PointsService/GetOrCreate",
      method: "POST",
      headers: { "content-type": "application/json" },
      ca: authority.cert,
    });
    request.end('{"userId":"bob"}');
    const [answer] = (await once(request, "response")) as [import("node:http").IncomingMessage];
    const body = Buffer.concat(await answer.toArray()).toString();
    expect(JSON.parse(body)).toMatchObject({ account: { userId: "bob" } });

    const session = http2.connect(`https://127.0.0.1:${port}`, { ca: authority.cert });
    onTestFinished(() => session.destroy());
    const stream = session.request({
      ":method": "POST",
      ":path": "/points.v1.PointsService/GetPriceList",
      "content-type": "application/json",
    });
    stream.end("{}");
    expect(Buffer.concat(await stream.toArray()).toString()).toContain('"priceVersion"');
  });

  test.each([
    ["TLS 1.2", { maxVersion: "TLSv1.2" }],
    ["TLS 1.1", { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" }],
    ["a protocol that is not served", { ALPNProtocols: ["spdy/3"] }],
  ] as const)("%s is refused", async (_, options) => {
    const { port } = await secureServer();
    const ca = authority.cert;
    const socket = tls.connect({ port, host: "127.0.0.1", ca, ...structuredClone(options) });
    await expect(once(socket, "secureConnect")).rejects.toThrow(/alert|protocol/i);
  });

  test("a client without TLS is cut off, and others are served", async () => {
    const { port, client } = await secureServer();
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    await once(socket, "close");
    await client.getPriceList({});
  });

  test("a stop ends connections that have not agreed on TLS, and idle ones, at once", async () => {
    const { port, ...server } = await secureServer({ DRAIN_MS: "600000" });
    const socket = net.connect(port, "127.0.0.1");
    await once(socket, "connect");
    await server.client.getPriceList({});
    await server.stop();
  });
});

describe("a certificate that changes", () => {
  test("is shown to new connections, while those that are open go on", async () => {
    const { client, port } = await secureServer();
    await client.getPriceList({});
    const before = await shown(port);
    await writeCertificate(folder, await authority.sign("localhost"));
    await vi.waitFor(async () => expect(await shown(port)).not.toBe(before), WAIT_MS);
    await client.getPriceList({});
  });

  test("is refused while it fits no key, and taken when its key is there", async () => {
    const { port } = await secureServer();
    const before = await shown(port);
    const next = await authority.sign("localhost");
    await writeFile(`${folder}/next`, next.cert);
    await rename(`${folder}/next`, `${folder}/server.crt`);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await shown(port)).toBe(before);
    await writeFile(`${folder}/next`, next.key);
    await rename(`${folder}/next`, `${folder}/server.key`);
    await vi.waitFor(async () => expect(await shown(port)).not.toBe(before), WAIT_MS);
  });
});

test.each([
  [
    "a file that is not there",
    async () => ({ TLS_CERT: `${folder}/none` }),
    /TLS_CERT: cannot read/,
  ],
  [
    "a key of another certificate",
    async () => {
      await writeFile(`${folder}/other`, (await authority.sign("other")).key);
      return { TLS_KEY: `${folder}/other` };
    },
    /cannot be used: .*mismatch/,
  ],
  [
    "a file that is no certificate",
    async () => {
      await writeFile(`${folder}/other`, "hello");
      return { TLS_CERT: `${folder}/other` };
    },
    /cannot be used/,
  ],
])("the server does not start with %s", async (_, change, message) => {
  await expect(change().then((environment) => secureServer(environment))).rejects.toThrow(message);
});
