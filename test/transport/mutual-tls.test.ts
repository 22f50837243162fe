import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import * as https from "node:https";
import * as tls from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientWith, digestOf, tokenOf } from "../support/callers.ts";
import {
  type Authority,
  type Certificate,
  makeAuthority,
  writeCertificate,
} from "../support/certificates.ts";
import { refusalOf } from "../support/error-info.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";

let folder: string;
let authority: Authority;
let server: TestServer;
beforeAll(async () => {
  folder = await makeFolder("mutual-tls");
  authority = await makeAuthority();
  const files = await writeCertificate(folder, await authority.sign("localhost"));
  const [TLS_CLIENT_CA, CALLERS] = [`${folder}/ca.crt`, `${folder}/callers.yaml`];
  await writeFile(TLS_CLIENT_CA, authority.cert);
  await writeFile(
    CALLERS,
    `callers:
  reports: { certificate: reports.internal, scopes: [points.read] }
  billing: { certificate: billing.internal, scopes: [points.grant] }
  token: { token_sha256: "${digestOf("token")}", scopes: [points.grant] }
`,
  );
  server = await testServer({ ...files, TLS_CLIENT_CA, CALLERS });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

async function clientOf(certificate: Certificate, token?: string) {
  return clientWith(server.baseUrl, token, { ca: authority.cert, ...certificate });
}

describe("a client's certificate", () => {
  test("names the caller, who has the scopes of that name", async () => {
    const billing = await clientOf(await authority.sign("billing.internal"));
    expect((await billing.recharge({ userId: "ada", points: 5n })).entry?.caller).toBe("billing");
    const reports = await clientOf(await authority.sign("reports.internal"));
    await reports.listPrices({});
    await reports.listPrices({});
    const denied = await refusalOf(reports.recharge({ userId: "ada", points: 5n }));
    expect(denied.reason).toBe("PERMISSION_DENIED");
  });

  test("names the caller of JSON over HTTP/1.1 too", async () => {
    const certificate = await authority.sign("billing.internal");
    const request = https.request({
      ...certificate,
      ca: authority.cert,
      port: server.port,
      host: "127.0.0.1",
      path: "/points.v1.PointsService/Recharge",
      method: "POST",
      headers: { "content-type": "application/json" },
      agent: false,
    });
    request.end('{"userId":"ada","points":1}');
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    const body = Buffer.concat(await answer.toArray()).toString();
    expect(JSON.parse(body)).toMatchObject({ entry: { caller: "billing" } });
  });

  test.each(["stranger.internal", "internal", "x.billing.internal", "*.internal", "billing"])(
    "of the name %s names nobody",
    async (name) => {
      const client = await clientOf(await authority.sign(name));
      const refusal = await refusalOf(client.listPrices({}));
      expect(refusal).toMatchObject({
        reason: "UNAUTHENTICATED",
        message: "the certificate is not one of a caller",
      });
    },
  );

  test("yields to a token, and does not replace an invalid one", async () => {
    const certificate = await authority.sign("reports.internal");
    const client = await clientOf(certificate, tokenOf("token"));
    expect((await client.recharge({ userId: "ada", points: 5n })).entry?.caller).toBe("token");
    const wrong = await clientOf(certificate, tokenOf("nobody"));
    expect((await refusalOf(wrong.listPrices({}))).reason).toBe("UNAUTHENTICATED");
  });
});

describe("the handshake refuses", () => {
  /** The server's answer to a request before it ends the connection. */
  async function saidTo(certificate: Partial<Certificate>): Promise<string> {
    const { port } = server;
    const socket = tls.connect({ port, host: "127.0.0.1", ca: authority.cert, ...certificate });
    socket.on("error", () => {});
    socket.write(
      "GET /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    let said = "";
    socket.on("data", (chunk) => (said += String(chunk)));
    await new Promise((resolve) => socket.once("close", resolve));
    return said;
  }

  test("no client with a valid certificate", async () => {
    expect(await saidTo(await authority.sign("stranger.internal"))).toMatch(/^HTTP\/1\.1 /);
  });

  test("a client without a certificate", async () => {
    expect(await saidTo({})).toBe("");
  });

  test("a certificate that another authority has signed, whatever its name", async () => {
    const other = await makeAuthority();
    expect(await saidTo(await other.sign("billing.internal"))).toBe("");
  });
});
