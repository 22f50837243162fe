import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, describe, expect, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { readConfig } from "../../src/config/environment.ts";
import type { Handler } from "../../src/transport/handler.ts";
import { type ListenLimits, listenLimits } from "../../src/transport/listen-limits.ts";
import { listen, type Listener } from "../../src/transport/listen.ts";

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
});

const LIMITS = listenLimits(readConfig({}));

async function serve(handler: Handler, limits: Partial<ListenLimits> = {}) {
  const address = { host: "127.0.0.1", port: 0 };
  const listener = await listen({ address, handler, limits: { ...LIMITS, ...limits } });
  opened.push({ close: () => listener.close(0) });
  return listener;
}

const hello: Handler = (req, res) => {
  res.statusCode = 200;
  (res as http.ServerResponse).end(`hello over ${req.httpVersion}`);
};

/** Answers nothing until told to, except the head if `head` is set. */
function held({ head = false } = {}) {
  const waiting: http.ServerResponse[] = [];
  const handler: Handler = (_req, anyRes) => {
    const res = anyRes as http.ServerResponse;
    if (head) {
      res.writeHead(200);
      res.write("begun ");
    }
    waiting.push(res);
  };
  return {
    handler,
    arrived: (count: number) => expect.poll(() => waiting).toHaveLength(count),
    finish: () => waiting.splice(0).forEach((res) => res.end("done")),
  };
}

function h2c({ address }: Listener) {
  const session = http2.connect(`http://127.0.0.1:${address.port}`);
  session.on("error", () => {});
  opened.push({ close: () => session.destroy() });
  return session;
}

function get(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders = {}) {
  return new Promise<{ status: number | undefined; body: string; code: number | undefined }>(
    (resolve) => {
      const stream = session.request({ ":path": "/", ...headers });
      let status: number | undefined;
      let body = "";
      stream.on("response", (head) => (status = head[":status"]));
      stream.on("data", (chunk) => (body += String(chunk)));
      stream.on("error", () => {});
      stream.on("close", () => resolve({ status, body, code: stream.rstCode }));
    },
  );
}

function dial({ address }: Listener) {
  const socket = net.connect({ port: address.port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  const closed = new Promise<string>((resolve) => socket.on("close", () => resolve(text)));
  opened.push({ close: () => socket.destroy() });
  return { socket, closed };
}

async function trickle(socket: net.Socket, text: string) {
  for (const byte of text) {
    socket.write(byte, "latin1");
    await sleep(1);
  }
}

/** A time of grace that no test lives to see the end of. */
const NEVER_MS = 600_000;

async function millis(work: Promise<unknown>) {
  const start = performance.now();
  await work;
  return performance.now() - start;
}

describe("one port", () => {
  test("answers HTTP/1.1 through fetch and node:http", async () => {
    const { address } = await serve(hello);
    const url = `http://127.0.0.1:${address.port}/`;
    const body = await (await fetch(url, { method: "POST", body: "x".repeat(1e6) })).text();
    expect(body).toBe("hello over 1.1");

    const [res] = (await once(http.get(url), "response")) as [http.IncomingMessage];
    expect(res.statusCode).toBe(200);
    res.resume();
  });

  test("answers HTTP/2 with prior knowledge", async () => {
    const session = h2c(await serve(hello));
    expect(await get(session)).toEqual({ status: 200, body: "hello over 2.0", code: 0 });
    expect(session.remoteSettings.maxConcurrentStreams).toBe(256);
    expect(session.remoteSettings.maxHeaderListSize).toBe(16_384);
  });

  test("understands both protocols when the bytes come one at a time", async () => {
    const listener = await serve(hello);
    const h2 = dial(listener);
    const h1 = dial(listener);
    const settings = once(h2.socket, "data");
    await trickle(h2.socket, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    await trickle(h1.socket, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const [frame] = (await settings) as [Buffer];
    expect(frame[3]).toBe(4);
    expect(await h1.closed).toMatch(/^HTTP\/1.1 200 OK[^]*hello over 1.1/);
  });

  test("can't be listened on twice", async () => {
    const { address } = await serve(hello);
    const listening = listen({ address, handler: hello, limits: LIMITS });
    await expect(listening).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

describe("a client that misbehaves", () => {
  test("is cut off when it says nothing, or not enough, in time", async () => {
    const listener = await serve(hello, { firstByteMs: 100 });
    const silent = dial(listener);
    const partial = dial(listener);
    partial.socket.write("PRI * HT");
    expect(await silent.closed).toBe("");
    expect(await partial.closed).toBe("");
  });

  test("is cut off when the head of its HTTP/1 request doesn't end in time", async () => {
    const { socket, closed } = dial(await serve(hello, { headersMs: 100 }));
    socket.write("GET / HTTP/1.1\r\n");
    expect(await closed).toMatch(/^HTTP\/1.1 408 /);
  });

  test.each([
    ["TLS", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"],
    ["half a preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nand so on and so forth"],
    ["a preface without settings", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"\xff".repeat(99)}`],
    ["a head of 20 kB", `GET / HTTP/1.1\r\nx: ${"a".repeat(20_000)}`],
    ["a line that is no header", "GET / HTTP/1.1\r\nHost x\r\n\r\n"],
  ])("is cut off when it sends %s, and others are served", async (_what, bytes) => {
    const listener = await serve(hello);
    const { socket, closed } = dial(listener);
    socket.write(Buffer.from(bytes, "latin1"));
    await closed;
    expect((await get(h2c(listener))).status).toBe(200);
  });

  test("may reset its connection at any point", async () => {
    const { handler, arrived } = held();
    const listener = await serve(handler);
    const whole = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const bytes of ["", "P", "GET /", whole]) {
      const { socket } = dial(listener);
      await once(socket, "connect");
      socket.write(bytes);
      await sleep(10);
      if (bytes === whole) await arrived(1); // A reset overtakes what was not read.
      socket.resetAndDestroy();
    }
    const session = h2c(listener);
    void get(session);
    await arrived(2); // This and the one request that was whole.
    session.destroy();
    await sleep(10);
    await listener.close(NEVER_MS);
  });

  test("loses one stream for too large a head, and keeps the session", async () => {
    const session = h2c(await serve(hello));
    const large = { x: "a".repeat(20_000) };
    expect(await get(session, large)).toMatchObject({ status: 431 }); // Before SETTINGS are acked.
    expect((await get(session, large)).code).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    expect((await get(session)).status).toBe(200);
  });
});

describe("a handler that throws", () => {
  const path = "/grpc.health.v1.Health/Check";
  const json = { "content-type": "application/json" };
  const adapter = connectNodeAdapter({
    routes: (router) => void router.rpc(Health.method.check, () => ({})),
  }) as Handler;

  test.each(["a:b", "%", "[::"])(
    "costs only the request whose authority is %s",
    async (authority) => {
      const listener = await serve(adapter);
      const session = h2c(listener);
      const odd = { ":path": path, ":method": "POST", ":authority": authority };
      const stream = session.request(odd, { endStream: false });
      stream.on("error", () => {});
      const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
      expect(head[":status"]).toBe(400);
      stream.resume();
      await once(stream, "close");

      const honest = session.request({ ...odd, ":authority": "x", ...json });
      honest.end("{}");
      const [answer] = (await once(honest, "response")) as [http2.IncomingHttpHeaders];
      expect(answer[":status"]).toBe(200);

      const { socket, closed } = dial(listener);
      socket.write(`POST ${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
      expect(await closed).toMatch(/^HTTP\/1.1 400 /);
    },
  );

  test("has its answer cut off if that had begun", async () => {
    const listener = await serve((_req, anyRes) => {
      const res = anyRes as http.ServerResponse;
      res.writeHead(200);
      res.write("begun");
      throw new Error("and failed");
    });
    const reply = await get(h2c(listener));
    expect(reply).toMatchObject({ status: 200, code: http2.constants.NGHTTP2_INTERNAL_ERROR });
    const overHttp1 = fetch(`http://127.0.0.1:${listener.address.port}/`);
    await expect(overHttp1.then((res) => res.text())).rejects.toThrow();
  });
});

describe("a session of HTTP/2", () => {
  test("is ended when it has had no stream for a while", async () => {
    const session = h2c(await serve(hello, { idleMs: 100 }));
    await get(session);
    await once(session, "close");
  });

  test("isn't idle while a quiet stream is open", async () => {
    const { handler, finish } = held();
    const session = h2c(await serve(handler, { idleMs: 50 }));
    const reply = get(session);
    await sleep(200);
    finish();
    expect((await reply).body).toBe("done");
  });
});

describe("close", () => {
  test("resolves at once when nothing runs, whatever is connected", async () => {
    const listener = await serve(hello);
    const { port } = listener.address;
    await once(dial(listener).socket, "connect");
    await (await fetch(`http://127.0.0.1:${port}/`)).text(); // Leaves a kept-alive connection.
    const session = h2c(listener);
    await get(session);
    const goaway = once(session, "goaway");
    await listener.close(NEVER_MS);
    await goaway;
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  test("doesn't wait for a client that ignores it", async () => {
    const listener = await serve(hello);
    const { socket } = dial(listener);
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    await once(socket, "data");
    socket.pause(); // Never sees the end.
    await listener.close(NEVER_MS);
  });

  test.each([false, true])(
    "lets running requests finish, over both protocols (head already out: %s)",
    async (head) => {
      const { handler, arrived, finish } = held({ head });
      const listener = await serve(handler);
      const url = `http://127.0.0.1:${listener.address.port}/`;
      const agent = new http.Agent({ keepAlive: true });
      const overHttp1 = once(http.get(url, { agent }), "response");
      const session = h2c(listener);
      const overHttp2 = get(session);
      await arrived(2);

      const goaway = once(session, "goaway");
      const closing = listener.close(NEVER_MS);
      expect(listener.close(0)).toBe(closing);
      await goaway;
      expect((await get(session)).status).toBe(undefined);
      const late = dial(listener);
      await late.closed;
      finish();

      const body = head ? "begun done" : "done";
      expect(await overHttp2).toEqual({ status: 200, body, code: 0 });
      const [res] = (await overHttp1) as [http.IncomingMessage];
      expect(res.headers.connection).toBe(head ? "keep-alive" : "close");
      expect(Buffer.concat(await res.toArray()).toString()).toBe(body);
      await closing;
    },
  );

  test("ends an endless stream after the time of grace", async () => {
    const { handler } = held({ head: true });
    const listener = await serve(handler);
    const reply = get(h2c(listener));
    const fetched = await fetch(`http://127.0.0.1:${listener.address.port}/`);
    const took = await millis(listener.close(300));
    expect(took).toBeGreaterThan(290);
    expect(await reply).toMatchObject({ status: 200, body: "begun " });
    await expect(fetched.text()).rejects.toThrow();
  });
});
