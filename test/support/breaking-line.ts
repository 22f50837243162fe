import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { onTestFinished } from "vitest";

// Fault-injecting proxies between a client and a server. Requests are numbered from 0 over all
// connections; requests after the given fates share the last one.

/** The fate of an HTTP/2 request, once all of it has arrived. */
export type Fate = {
  /** The server that gets the request; undefined: none. */
  readonly to?: string;
  /** Breaks the call and drops the server's answer; undefined: the answer is passed on. */
  readonly breaks?: Break;
};

export type Break = (broken: {
  readonly stream: http2.ServerHttp2Stream;
  readonly socket: net.Socket;
  /** The server's answer, if it got the request. */
  readonly answer: Answer | undefined;
}) => void;

/** A proxy, with the number of requests that it has seen. */
export type Line = { readonly baseUrl: string; readonly requests: () => number };

/** An HTTP/2 proxy without TLS. */
export async function http2Line(...fates: readonly [Fate, ...Fate[]]): Promise<Line> {
  let requests = 0;
  const sockets = new Map<http2.Http2Session | undefined, net.Socket>();
  const server = http2.createServer();
  let newest: net.Socket;
  server.prependListener("connection", (socket: net.Socket) => (newest = socket));
  server.on("session", (session) => {
    sockets.set(session, newest);
    session.on("error", () => {});
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const fate = fates[Math.min(requests++, fates.length - 1)]!;
    const socket = sockets.get(stream.session)!;
    const finish = async () => {
      const body = await bytesOf(stream);
      const answer = fate.to === undefined ? undefined : await ask(fate.to, headers, body);
      if (fate.breaks !== undefined) fate.breaks({ stream, socket, answer });
      else if (answer !== undefined) pass(answer, stream);
    };
    finish().catch(() => stream.destroy());
  });
  const port = await listening(server);
  onTestFinished(() => {
    for (const socket of sockets.values()) socket.destroy();
    server.close();
  });
  return { baseUrl: `http://127.0.0.1:${port}`, requests: () => requests };
}

/** A TCP proxy: each connection has one fate, applied once part of its first request arrives. */
export async function tcpLine(
  to: string,
  ...breaks: readonly ((socket: net.Socket) => void)[]
): Promise<Line> {
  let connections = 0;
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    const breakNow = breaks[connections++];
    if (breakNow !== undefined) {
      socket.once("data", () => breakNow(socket));
      return;
    }
    const onward = net.connect(Number(new URL(to).port), "127.0.0.1");
    sockets.push(onward);
    onward.on("error", () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  const port = await listening(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { baseUrl: `http://127.0.0.1:${port}`, requests: () => connections };
}

/** A GOAWAY frame: the server did not process streams after `lastStream`. */
export function goaway(lastStream: number): Buffer {
  const frame = Buffer.alloc(9 + 8);
  frame[2] = 8; // The length of the payload.
  frame[3] = 7; // GOAWAY
  frame.writeUInt32BE(lastStream, 9);
  return frame;
}

async function listening(server: net.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as net.AddressInfo).port;
}

type Answer = {
  readonly headers: http2.OutgoingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: http2.OutgoingHttpHeaders | undefined;
};

async function ask(to: string, headers: http2.IncomingHttpHeaders, body: Buffer): Promise<Answer> {
  const session = http2.connect(to);
  try {
    const stream = session.request({ ...headers, ":authority": new URL(to).host });
    let trailers: http2.OutgoingHttpHeaders | undefined;
    stream.on("trailers", (sent) => (trailers = sent));
    const answered = once(stream, "response") as Promise<[http2.IncomingHttpHeaders]>;
    stream.end(body);
    const [head] = await answered;
    return { headers: head, body: await bytesOf(stream), trailers };
  } finally {
    session.destroy();
  }
}

function pass({ headers, body, trailers }: Answer, stream: http2.ServerHttp2Stream): void {
  if (body.length === 0 && trailers === undefined) {
    stream.respond(headers, { endStream: true });
    return;
  }
  stream.respond(headers, { waitForTrailers: trailers !== undefined });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
  stream.end(body);
}

async function bytesOf(stream: http2.Http2Stream): Promise<Buffer> {
  return Buffer.concat(await stream.toArray());
}
