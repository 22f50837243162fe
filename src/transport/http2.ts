import * as http2 from "node:http2";
import type * as net from "node:net";
import type { Handler, TryHandle } from "./handler.ts";
import { refuseByStatus } from "./http-refusal.ts";
import type { ListenLimits } from "./listen-limits.ts";
import { guardSlowRequests, type SlowRequestGuard } from "./slow-requests.ts";

/**
 * Serves sockets that speak HTTP/2. `drain` ends each when its streams are closed.
 *
 * @param tryHandle is asked first for each stream
 */
export function createHttp2(handle: Handler, limits: ListenLimits, tryHandle: TryHandle) {
  const sessions = new Set<http2.ServerHttp2Session>();
  const slowRequests = guardSlowRequests(limits.bodyMs, limits.endlessPaths);
  const server = http2.createServer({
    // maxSessionMemory stays at 10: lower values aborted Node.
    settings: {
      maxConcurrentStreams: limits.streamsMaxPerConnection,
      maxHeaderListSize: limits.headerMaxBytes,
    },
    unknownProtocolTimeout: limits.firstByteMs,
    streamResetBurst: limits.resetsMaxBurst,
    streamResetRate: limits.resetsMaxPerSecond,
  });
  // A setting binds a client only once the client has acknowledged it, which may be late or never.
  const isTooLarge = (rawHeaders: readonly string[]) =>
    headBytes(rawHeaders) > limits.headerMaxBytes;
  // Never listens: Node makes requests and responses by it of streams that `tryHandle` leaves.
  const requests = http2.createServer((req, res) => {
    if (isTooLarge(req.rawHeaders)) refuseByStatus(res, 431);
    else handle(req, res);
  });
  server.on("stream", (stream, headers, flags, rawHeaders) => {
    if (!isTooLarge(rawHeaders) && tryHandle(stream, headers)) return;
    requests.emit("stream", stream, headers, flags, rawHeaders);
  });
  return {
    serve(socket: net.Socket) {
      server.once("session", (session) => {
        sessions.add(session);
        session.once("close", () => sessions.delete(session));
        closeWhenIdle(session, socket, { idleMs: limits.idleMs, slowRequests });
      });
      server.emit("connection", socket);
    },
    /** The sockets as their sessions show them. */
    sockets: () => [...sessions].flatMap((one) => (one.destroyed ? [] : [one.socket])),
    drain() {
      for (const session of sessions) session.close();
    },
    /** Call it when all sockets are gone: a drain, too, must not wait for bodies that never come. */
    stop: () => slowRequests.stop(),
  };
}

/** The size of a header list as HTTP/2 counts it: 32 bytes a field on top. */
function headBytes(rawHeaders: readonly string[]) {
  return rawHeaders.reduce((sum, text) => sum + text.length + 16, 0);
}

/**
 * Closes a session that has had no open stream for `idleMs`. Node's own session timeout goes by
 * traffic, and would end the quiet Watch of a health check.
 */
function closeWhenIdle(
  session: http2.ServerHttp2Session,
  socket: net.Socket,
  { idleMs, slowRequests }: { readonly idleMs: number; readonly slowRequests: SlowRequestGuard },
) {
  let open = 0;
  const onIdle = () => {
    if (open > 0) return;
    // The second time: close() waits for the peer to read what it is sent.
    if (session.closed) return void socket.destroy();
    session.close();
    idle.refresh();
  };
  const idle = setTimeout(onIdle, idleMs);
  // One listener of each stream's close for both: it costs each call.
  session.on("stream", (stream, headers) => {
    open++;
    slowRequests.opened(stream, headers[":path"] ?? "");
    stream.once("close", () => {
      open--;
      slowRequests.closed(stream);
      idle.refresh();
    });
  });
  socket.once("close", () => clearTimeout(idle));
}
