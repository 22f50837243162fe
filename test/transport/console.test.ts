import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import * as net from "node:net";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config/environment.ts";
import { chooseEncoding } from "../../src/transport/accept-encoding.ts";
import { withConsole } from "../../src/transport/console.ts";
import { makeAuthority, writeCertificate } from "../support/certificates.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { temporaryFolder } from "../support/processes.ts";
import { serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await testServer({ HEADER_MAX_BYTES: "4096", BODY_MS: "60000" }, database);
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

type Answer = {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
};

/** Asks for a path as it is: fetch would make "/console/../" another. */
async function ask(
  path: string,
  headers: http.OutgoingHttpHeaders = {},
  options: http.RequestOptions & { readonly ca?: string } = {},
): Promise<Answer> {
  const { request } = options.ca === undefined ? http : https;
  const { port } = server;
  const asked = request({ host: "127.0.0.1", port, path, headers, agent: false, ...options }).end();
  const [answer] = (await once(asked, "response")) as [http.IncomingMessage];
  const body = Buffer.concat(await answer.toArray());
  return { status: answer.statusCode!, headers: answer.headers, body };
}

async function askHttp2(
  baseUrl: string,
  headers: http2.OutgoingHttpHeaders,
  options: http2.SecureClientSessionOptions = {},
): Promise<Answer> {
  const session = http2.connect(baseUrl, options);
  onTestFinished(() => session.destroy());
  const stream = session.request(headers);
  const [answer] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  const body = Buffer.concat(await stream.toArray());
  return { status: answer[":status"] as unknown as number, headers: answer, body };
}

/** The path of the page's script, whose name has a hash. */
async function scriptPath(): Promise<string> {
  const { body } = await ask("/console/");
  return /src="(\/console\/assets\/[^"]+\.js)"/.exec(String(body))![1]!;
}

describe("the console's page", () => {
  test.each([
    "/console/",
    "/console/account?user=ada",
    "/console/no/such/screen",
    "/console/?q=..",
  ])("is at %s, for its script reads the address", async (path) => {
    const { status, headers, body } = await ask(path);
    expect({ status, type: headers["content-type"] }).toEqual({
      status: 200,
      type: "text/html; charset=utf-8",
    });
    expect(String(body)).toContain('<div id="root">');
    expect(headers["content-length"]).toBe(String(body.length));
  });

  test("is in its folder: a path without the last slash leads there", async () => {
    expect(await ask("/console")).toMatchObject({
      status: 308,
      headers: { location: "/console/" },
    });
    const { headers } = await ask("/console?q=ada%23a&b=?//");
    expect(headers.location).toBe("/console/?q=ada%23a&b=?//");
  });

  test("needs no credentials where RPCs need them", async () => {
    const { server: guarded } = await serveApp(database);
    const page = await fetch(`${guarded.baseUrl}/console/`);
    const rpc = await fetch(`${guarded.baseUrl}/points.v1.LedgerService/GetLedger`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect([page.status, rpc.status]).toEqual([200, 401]);
  });

  test("is asked for again each time, and is not sent again as it was", async () => {
    const { headers } = await ask("/console/");
    expect(headers["cache-control"]).toBe("no-cache");
    const etag = headers.etag!;
    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await ask("/console/", { "if-none-match": tags });
      expect(again).toMatchObject({ status: 304, body: Buffer.alloc(0) });
      expect(again.headers).toMatchObject({ etag, vary: "accept-encoding" });
      expect(again.headers).not.toHaveProperty("content-length");
    }
    const compressed = await ask("/console/", { "accept-encoding": "br", "if-none-match": etag });
    expect(compressed.status).toBe(200);
    expect(compressed.headers.etag).not.toBe(etag);
  });

  test("is answered to HEAD without a body", async () => {
    const [whole, head] = [await ask("/console/"), await ask("/console/", {}, { method: "HEAD" })];
    expect(head.body).toHaveLength(0);
    const { date: _, connection: __, ...headers } = whole.headers;
    expect(head.headers).toMatchObject(headers);
  });
});

describe("a script", () => {
  test("has a hash in its name, and may be kept for ever", async () => {
    const { headers } = await ask(await scriptPath());
    expect(headers).toMatchObject({
      "content-type": "text/javascript; charset=utf-8",
      "cache-control": "public, max-age=31536000, immutable",
      "x-content-type-options": "nosniff",
    });
  });

  test("is the same in each encoding", async () => {
    const path = await scriptPath();
    const plain = await ask(path);
    expect(plain.headers).not.toHaveProperty("content-encoding");
    const br = await ask(path, { "accept-encoding": "gzip, deflate, br, zstd" });
    expect(br.headers).toMatchObject({ "content-encoding": "br", vary: "accept-encoding" });
    expect(brotliDecompressSync(br.body).equals(plain.body)).toBe(true);
    const gzip = await ask(path, { "accept-encoding": "gzip;q=1.0, br;q=0.5" });
    expect(gzip.headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(gzip.body).equals(plain.body)).toBe(true);
  });

  test("of another version is missing, and nobody keeps that: an upgrade is under way", async () => {
    for (const path of ["/console/assets/index-of-another.js", "/console/assets/none"]) {
      const { status, headers } = await ask(path);
      expect({ status, kept: headers["cache-control"] }).toEqual({ status: 404, kept: "no-store" });
    }
  });
});

test.each([
  { accepted: "", encoding: undefined },
  { accepted: "br", encoding: "br" },
  { accepted: "gzip", encoding: "gzip" },
  { accepted: "GZIP , Br", encoding: "br" },
  { accepted: "*", encoding: "br" },
  { accepted: "*;q=0.1, br;q=0", encoding: "gzip" },
  { accepted: "br;q=0.1, gzip;q=0.9", encoding: "gzip" },
  { accepted: "br;q=0, gzip;q=0.000", encoding: undefined },
  { accepted: "identity, br;q=0.5", encoding: undefined },
  { accepted: "identity;q=0, br;q=0.001", encoding: "br" },
  { accepted: "identity;q=0", encoding: undefined },
  { accepted: "zstd", encoding: undefined },
  { accepted: "br;q=2, gzip;q=x, ;;,", encoding: undefined },
])("whoever accepts '$accepted' gets $encoding", ({ accepted, encoding }) => {
  const [body, br, gzip] = ["body", "br", "gzip"].map((text) => Buffer.from(text));
  const file = { body: body!, compressed: { br: br!, gzip: gzip! } };
  expect(chooseEncoding(accepted, file).encoding).toBe(encoding);
});

describe("no path leads out of the folder", () => {
  test.each([
    "/console/..",
    "/console/../package.json",
    "/console/../../../etc/passwd",
    "/console/%2e%2e/%2e%2e/package.json",
    "/console/..%2fpackage.json",
    String.raw`/console/..\package.json`,
    "/console/assets/../index.html",
    "/console//etc/passwd.",
    "/console/index.html.br",
    "/console/%00.html",
    "/console/__proto__.js",
    "/console/vite.config.ts",
  ])("%s is not there", async (path) => {
    expect(await ask(path)).toMatchObject({ status: 404, body: Buffer.alloc(0) });
  });

  test.each(["/console/%2e%2e/x", "/console/%00", "/console/constructor", "/console/%"])(
    "%s is one more address of the page",
    async (path) => {
      expect((await ask(path)).headers["content-type"]).toMatch(/^text\/html/);
    },
  );

  test.each(["/consoles", "/console.", "/Console/", "//console/", "/x/console/"])(
    "%s is none of the console's",
    async (path) => {
      const { status, headers } = await ask(path);
      expect(status).toBe(404);
      expect(headers).not.toHaveProperty("content-security-policy");
    },
  );

  test("a path of 100 KB is too large a head, in HTTP/1.1 and HTTP/2", async () => {
    const path = `/console/${"a".repeat(100_000)}`;
    const socket = net.connect(server.port, "127.0.0.1");
    // The server does not read it to its end, which may reset the connection before its answer is read.
    let answer = "";
    socket.on("data", (chunk) => (answer += String(chunk))).on("error", () => {});
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await new Promise((resolve) => socket.once("close", resolve));
    expect(answer).toMatch(/^(?:HTTP\/1.1 431 .*)?$/s);
    const session = http2.connect(server.baseUrl).on("error", () => {});
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":path": path }).on("error", () => {});
    await new Promise((resolve) => stream.once("close", resolve));
    expect((await ask("/console/")).status).toBe(200);
  });

  test("a raw NUL in a path is a bad request", async () => {
    const socket = net.connect(server.port, "127.0.0.1");
    socket.write("GET /console/\0 HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1.1 400 /);
    socket.destroy();
  });
});

describe("what is no request of a page is refused", () => {
  test.each(["POST", "PUT", "DELETE", "OPTIONS"])("%s is not allowed", async (method) => {
    expect(await ask("/console/", {}, { method })).toMatchObject({
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
  });

  test.each(["POST", "GET"])("%s with an endless body ends its connection", async (method) => {
    const socket = net.connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    const head = `${method} /console/ HTTP/1.1\r\nhost: localhost\r\n`;
    socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1.1 (405|200) .*connection: close/is);
    const closed = once(socket.resume(), "close");
    const sending = setInterval(() => socket.write("5\r\nhello\r\n"), 10);
    await closed;
    clearInterval(sending);
  });

  test("an endless body ends its stream of HTTP/2, and no other", async () => {
    const session = http2.connect(server.baseUrl);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":method": "POST", ":path": "/console/" });
    stream.on("error", () => {}).resume();
    stream.write("hello");
    const [{ ":status": status }] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    expect(status).toBe(405);
    await once(stream, "close");
    const next = session.request({ ":path": "/console/" });
    await once(next.resume(), "end");
  });
});

test("a download that is broken off leaves nothing behind, and others go on", async () => {
  const path = await scriptPath();
  for (let count = 0; count < 20; count++) {
    const request = http.get({ host: "127.0.0.1", port: server.port, path, agent: false });
    const [answer] = (await once(request, "response")) as [http.IncomingMessage];
    answer.destroy();
    const session = http2.connect(server.baseUrl);
    const stream = session.request({ ":path": path });
    await once(stream, "response");
    stream.close(http2.constants.NGHTTP2_CANCEL);
    session.destroy();
  }
  expect((await ask(path)).status).toBe(200);
});

test("it is served over HTTP/2, and by TLS in both", async () => {
  const plain = await askHttp2(server.baseUrl, { ":path": "/console/", "accept-encoding": "br" });
  expect(plain).toMatchObject({ status: 200, headers: { "content-encoding": "br" } });
  const authority = await makeAuthority();
  const certificate = await authority.sign("localhost");
  const files = await writeCertificate(await temporaryFolder(), certificate);
  const secure = await testServer(files, database);
  onTestFinished(() => secure.stop());
  const by = { ca: authority.cert };
  const overHttp2 = await askHttp2(secure.baseUrl, { ":path": "/console/" }, by);
  const overHttp1 = await ask("/console/", {}, { port: secure.port, ...by });
  expect([overHttp2.status, overHttp1.status]).toEqual([200, 200]);
  expect(overHttp1.body.equals(overHttp2.body)).toBe(true);
});

test("its files are read when somebody first asks for one, and looked for again if they are not there", async () => {
  const folder = `${await temporaryFolder()}/dist`;
  const next = () => expect.unreachable();
  const served = http
    .createServer(withConsole(readConfig({}), next, folder))
    .listen(0, "127.0.0.1");
  onTestFinished(() => void served.close());
  await once(served, "listening");
  const { port } = served.address() as net.AddressInfo;
  const missing = await ask("/console/", {}, { port });
  expect(missing.status).toBe(404);
  expect(String(missing.body)).toContain("npm run console");
  await mkdir(folder);
  await writeFile(`${folder}/index.html`, "<p>built</p>");
  expect(String((await ask("/console/", {}, { port })).body)).toBe("<p>built</p>");
  // An upgrade in place, of which this server knows nothing: it goes on with what it has.
  await writeFile(`${folder}/index.html`, "<p>newer</p>");
  expect(String((await ask("/console/", {}, { port })).body)).toBe("<p>built</p>");
});

test("with CONSOLE=off its paths are unknown RPCs, as before there was one", async () => {
  const off = await testServer({ CONSOLE: "off" }, database);
  onTestFinished(() => off.stop());
  for (const path of ["/console", "/console/", "/console/config.json"]) {
    const { status, body } = await ask(path, {}, { port: off.port });
    const other = await ask("/nothing", {}, { port: off.port });
    expect({ status, body }).toEqual({ status: 404, body: other.body });
  }
});

describe("what it says before somebody has signed in", () => {
  test("is nothing, unless it is configured", async () => {
    const { headers, body } = await ask("/console/config.json");
    expect(String(body)).toBe("{}");
    expect(headers["cache-control"]).toBe("no-store");
  });

  test("is the label, and where to sign in, which is all that the page may talk to", async () => {
    const JWT_ISSUER = "https://id.example/realms/a";
    const configured = await testServer(
      {
        CONSOLE_LABEL: "red:production",
        CONSOLE_CLIENT_ID: "console",
        CONSOLE_SCOPES: "openid points.read",
        JWT_KEYS: "https://id.example/keys",
        JWT_ISSUER,
        JWT_AUDIENCE: "points",
      },
      database,
    );
    onTestFinished(() => configured.stop());
    const { headers, body } = await ask("/console/config.json", {}, { port: configured.port });
    expect(JSON.parse(String(body))).toEqual({
      label: { colour: "red", word: "production" },
      oidc: {
        issuer: JWT_ISSUER,
        audience: "points",
        clientId: "console",
        scopes: "openid points.read",
      },
    });
    const policy = headers["content-security-policy"];
    expect(policy).toContain("connect-src 'self' https://id.example;");
  });
});
