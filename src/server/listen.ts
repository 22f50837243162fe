import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import * as tls from "node:tls";
import { type BodiesOfSession, watchBodies } from "./slow-bodies.ts";
import type { TlsOptions } from "./tls.ts";

export type Handler = (
  req: http.IncomingMessage | http2.Http2ServerRequest,
  res: http.ServerResponse | http2.Http2ServerResponse,
) => void;

/** Takes a stream of HTTP/2 by its headers and answers it, or says false and leaves it alone. */
export type StreamTaker = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
) => boolean;

export type Listener = {
  /** Where it listens, with the port the system chose if 0 was asked for. */
  address: { host: string; port: number };
  /**
   * Stops accepting, tells every client, lets requests that run finish, and destroys what is left
   * after `graceMs`. Resolves when all sockets are gone, never rejects. Called again, it returns
   * the first call's promise.
   */
  close(graceMs: number): Promise<void>;
  /** New connections get these certificates. */
  renew(options: TlsOptions): void;
};

export type ListenLimits = typeof listenLimits;

/** The limits used unless told otherwise. */
export const listenLimits = {
  /** For a connection to say which protocol it speaks. */
  firstByteMs: 10_000,
  /** For an HTTP/2 session without streams, or a kept-alive HTTP/1 connection without requests. */
  idleMs: 300_000,
  /** For the head of an HTTP/1 request. */
  headersMs: 10_000,
  /** For a whole request to arrive. */
  requestMs: 60_000,
  /** For a peer to close a connection that is finished on this side. */
  lingerMs: 500,
  /** Silence after which TCP probes whether the peer still lives. */
  keepAliveMs: 60_000,
  maxConnections: 10_000,
  /** Of one address. */
  maxConnectionsPerPeer: 1_000,
  maxStreamsPerSession: 256,
  maxHeaderBytes: 16_384,
  /** Streams that a session may take back, at once and in the long run, before it is ended. */
  maxResetsBurst: 1_000,
  maxResetsPerSecond: 33,
  /** Whether requests of this path are streams, which `requestMs` does not bound. */
  isEndless: (_path: string): boolean => false,
};

/**
 * Serves HTTP/2 and HTTP/1.1 on one TCP port: with `secure` by TLS, where ALPN says which, and
 * otherwise without, where the first bytes do (prior knowledge).
 *
 * Port 0 lets the system choose. Rejects if the address cannot be listened on. `handler` may
 * throw: that request is then answered 400, or cut off if its answer had begun. `take` is asked
 * first for each stream of HTTP/2.
 */
export async function listen(
  address: { host: string; port: number },
  handler: Handler,
  limits: ListenLimits = listenLimits,
  take: StreamTaker = () => false,
  secure?: TlsOptions,
): Promise<Listener> {
  const handle = guarded(handler);
  const h1 = createHttp1(handle, limits);
  const h2 = createHttp2(handle, limits, take);
  const sockets = new Set<net.Socket>();
  // By its peer, for who has agreed on TLS comes back as another socket.
  const undecided = new Map<string, net.Socket>();

  const tcp = { noDelay: true, keepAlive: true, keepAliveInitialDelay: limits.keepAliveMs };
  const tlsServer =
    secure &&
    tls.createServer({
      ...tcp,
      ...secure,
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: limits.firstByteMs,
    });
  const server = tlsServer ?? net.createServer(tcp);
  server.maxConnections = limits.maxConnections;
  const serve = (socket: net.Socket, isHttp2: boolean) => {
    undecided.delete(peerOf(socket));
    supervise(socket, limits.lingerMs);
    (isHttp2 ? h2 : h1).take(socket);
  };
  const ofPeers = countPeers();
  server.on("connection", (socket) => {
    const peer = peerOf(socket);
    socket.on("error", () => {});
    if (ofPeers(socket) > limits.maxConnectionsPerPeer) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    undecided.set(peer, socket);
    socket.once("close", () => {
      sockets.delete(socket);
      if (undecided.get(peer) === socket) undecided.delete(peer);
    });
    if (secure === undefined) {
      sniff(socket, limits.firstByteMs, (isHttp2) => serve(socket, isHttp2));
    }
  });
  // A client that offers no protocol that is served is refused by ALPN itself.
  tlsServer?.on("secureConnection", (socket) => serve(socket, socket.alpnProtocol === "h2"));
  const bound = await bind(server, address);

  const drain = async (graceMs: number) => {
    const gone = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of undecided.values()) socket.destroy();
    h1.drain();
    h2.drain();
    const grace = setTimeout(() => sockets.forEach((socket) => socket.destroy()), graceMs);
    await gone;
    clearTimeout(grace);
  };
  let draining: Promise<void> | undefined;
  return {
    address: bound,
    close: (graceMs) => (draining ??= drain(graceMs)),
    renew: (options) => tlsServer?.setSecureContext(options),
  };
}

function bind(server: net.Server, { host, port }: { host: string; port: number }) {
  return new Promise<{ host: string; port: number }>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      // An accept that fails, for want of file descriptors say, must not end the process.
      server.on("error", (error) => process.emitWarning(error));
      const bound = server.address() as net.AddressInfo;
      resolve({ host: bound.address, port: bound.port });
    });
  });
}

function peerOf({ remoteAddress, remotePort }: net.Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Counts a connection until it is closed, and says how many its address has. */
function countPeers(): (socket: net.Socket) => number {
  const counts = new Map<string, number>();
  return (socket) => {
    const { remoteAddress: address = "" } = socket;
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    socket.once("close", () => {
      const left = counts.get(address)! - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
    return count;
  };
}

/** Keeps a socket's errors from ending the process, and a peer that never closes from staying. */
function supervise(socket: net.Socket, lingerMs: number) {
  socket.on("error", () => {});
  socket.once("finish", () => {
    const linger = setTimeout(() => socket.destroy(), lingerMs);
    socket.once("close", () => clearTimeout(linger));
  });
}

const preface = Buffer.from("PRI * HTTP/2.0");

/**
 * Reads as much as tells HTTP/2 from HTTP/1, puts it back and says which it is. The socket is
 * left paused, since data must not flow before the protocol's own listeners are in place.
 */
function sniff(socket: net.Socket, firstByteMs: number, decided: (isHttp2: boolean) => void) {
  let seen: Buffer = Buffer.alloc(0);
  const destroy = () => socket.destroy();
  const timer = setTimeout(destroy, firstByteMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("data", onData).off("end", destroy).off("close", stop);
  };
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, preface.length);
    const isPreface = seen.subarray(0, length).equals(preface.subarray(0, length));
    if (isPreface && length < preface.length) return;
    stop();
    socket.pause();
    socket.unshift(seen);
    decided(isPreface);
  };
  socket.on("data", onData).on("end", destroy).on("close", stop);
}

function createHttp1(handle: Handler, limits: ListenLimits) {
  const running = new Set<http.ServerResponse>();
  let draining = false;
  const server = http.createServer(
    {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: Math.min(limits.headersMs, limits.requestMs),
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(limits.headersMs, limits.requestMs, 5_000),
    },
    (req, res) => {
      running.add(res);
      res.once("close", () => running.delete(res));
      if (draining) res.shouldKeepAlive = false;
      closeIfCutShort(req, res);
      handle(req, res);
    },
  );
  // The timeouts and closeIdleConnections work from a list that Node makes only on this event.
  server.emit("listening");
  return {
    take(socket: net.Socket) {
      // As http.Server makes its own sockets: an answer can follow the end of a request.
      socket.allowHalfOpen = true;
      server.emit("connection", socket);
      socket.resume();
    },
    drain() {
      draining = true;
      for (const res of running) {
        res.shouldKeepAlive = false;
        // The head is out and has promised keep-alive.
        if (res.headersSent) res.once("finish", () => res.req.socket.destroySoon());
      }
      // Closes the connections that idle, and stops the checking of timeouts' timer.
      server.close();
    },
  };
}

/**
 * An answer that comes before the end of its request, which was too large say, ends the connection:
 * nobody reads the rest, and a next request behind it would wait for ever.
 */
function closeIfCutShort(req: http.IncomingMessage, res: http.ServerResponse) {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => http.ServerResponse;
  res.writeHead = (...args: unknown[]) => {
    if (!req.complete && req.readableFlowing !== null) res.shouldKeepAlive = false;
    return writeHead(...args);
  };
}

function createHttp2(handle: Handler, limits: ListenLimits, take: StreamTaker) {
  const sessions = new Set<http2.ServerHttp2Session>();
  const bodies = watchBodies(limits.requestMs, limits.isEndless);
  const server = http2.createServer({
    // maxSessionMemory stays at 10: lower values aborted Node.
    settings: {
      maxConcurrentStreams: limits.maxStreamsPerSession,
      maxHeaderListSize: limits.maxHeaderBytes,
    },
    unknownProtocolTimeout: limits.firstByteMs,
    streamResetBurst: limits.maxResetsBurst,
    streamResetRate: limits.maxResetsPerSecond,
  });
  // A setting binds a client once it has acknowledged it, which it may do late or never.
  const isTooLarge = (rawHeaders: readonly string[]) =>
    headBytes(rawHeaders) > limits.maxHeaderBytes;
  // Never listens: it has Node make requests and answers of streams that are not taken.
  const requests = http2.createServer((req, res) => {
    if (isTooLarge(req.rawHeaders)) refuse(res, 431);
    else handle(req, res);
  });
  server.on("stream", (stream, headers, flags, rawHeaders) => {
    if (!isTooLarge(rawHeaders) && take(stream, headers)) return;
    requests.emit("stream", stream, headers, flags, rawHeaders);
  });
  return {
    take(socket: net.Socket) {
      server.once("session", (session) => {
        sessions.add(session);
        session.once("close", () => sessions.delete(session));
        closeWhenIdle(session, socket, limits.idleMs, bodies.watch(session));
      });
      server.emit("connection", socket);
    },
    drain() {
      bodies.stop();
      for (const session of sessions) session.close();
    },
  };
}

/** As HTTP/2 counts the size of a header list: 32 bytes a field on top. */
function headBytes(rawHeaders: readonly string[]) {
  return rawHeaders.reduce((sum, text) => sum + text.length + 16, 0);
}

/**
 * Idle means no open stream. Node's own session timeout means no traffic, which would end the
 * quiet Watch of a health check.
 */
function closeWhenIdle(
  session: http2.ServerHttp2Session,
  socket: net.Socket,
  idleMs: number,
  bodies: BodiesOfSession,
) {
  let open = 0;
  const onIdle = () => {
    if (open > 0) return;
    // Once more: close() waits for the peer to read what it is sent.
    if (session.closed) return void socket.destroy();
    session.close();
    idle.refresh();
  };
  const idle = setTimeout(onIdle, idleMs);
  session.on("stream", (stream, headers) => {
    open++;
    bodies.opened(stream, headers[":path"] ?? "");
    stream.once("close", () => {
      open--;
      bodies.closed(stream);
      idle.refresh();
    });
  });
  socket.once("close", () => clearTimeout(idle));
}

/**
 * Connect's adapter throws at once for an authority that makes no URL. Uncaught, that one request
 * would end the process.
 */
function guarded(handler: Handler): Handler {
  return (req, res) => {
    try {
      handler(req, res);
    } catch {
      refuse(res, 400);
    }
  };
}

function refuse(res: Parameters<Handler>[1], status: number) {
  const begun = res.headersSent;
  if (!begun) res.statusCode = status;
  if ("stream" in res) {
    const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = http2.constants;
    if (!begun) res.end();
    // Without a close, a client that still sends its request would keep the stream open.
    res.stream.close(begun ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_NO_ERROR);
  } else if (begun) res.destroy();
  else res.end();
}
