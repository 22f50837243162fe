import * as http2 from "node:http2";
import type * as net from "node:net";
import { refuse } from "./http-refusal.ts";
import type { Handler, ListenLimits, StreamTaker } from "./listen.ts";
import { type BodiesOfSession, watchBodies } from "./slow-bodies.ts";

/** Serves sockets that speak HTTP/2. A drain ends each when its streams are closed. */
export function createHttp2(handle: Handler, limits: ListenLimits, take: StreamTaker) {
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
    /** As sessions show theirs. */
    sockets: () => [...sessions].flatMap((one) => (one.destroyed ? [] : [one.socket])),
    drain() {
      for (const session of sessions) session.close();
    },
    /** For when all sockets are gone: a drain, too, must not wait for bodies that never come. */
    stop: () => bodies.stop(),
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
