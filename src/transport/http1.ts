import * as http from "node:http";
import type * as net from "node:net";
import { TLSSocket } from "node:tls";
import type { Handler } from "./handler.ts";
import type { ListenLimits } from "./listen-limits.ts";

/** Serves sockets that speak HTTP/1. `drain` ends each when its answers are out. */
export function createHttp1(handle: Handler, limits: ListenLimits) {
  const sockets = new Set<net.Socket>();
  const running = new Set<http.ServerResponse>();
  const unanswered = new WeakMap<net.Socket, number>();
  let draining = false;
  const server = http.createServer(
    {
      maxHeaderSize: limits.headerMaxBytes,
      headersTimeout: Math.min(limits.headersMs, limits.bodyMs),
      requestTimeout: limits.bodyMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(limits.headersMs, limits.bodyMs, 5_000),
    },
    (req, res) => {
      // The client was told that this connection answers nothing more.
      if (req.socket.writableEnded) return;
      // When a connection breaks, Node ends each request that is not read to its end with an error,
      // a tick after Connect has taken its listener off: without one, the process would end.
      req.on("error", () => {});
      // Pipelined requests and their answers would fill the memory, as streams of HTTP/2 would.
      const { socket } = req;
      const count = (unanswered.get(socket) ?? 0) + 1;
      if (count > limits.streamsMaxPerConnection) {
        socket.destroy();
        return;
      }
      unanswered.set(socket, count);
      running.add(res);
      res.once("close", () => {
        running.delete(res);
        unanswered.set(socket, unanswered.get(socket)! - 1);
      });
      if (draining) res.shouldKeepAlive = false;
      closeIfCutShort(req, res);
      handle(req, res);
    },
  );
  // Node makes the list that timeouts and closeIdleConnections work from only on this event.
  server.emit("listening");
  return {
    serve(socket: net.Socket) {
      // http.Server sets this on its own sockets: an answer can follow the end of a request.
      socket.allowHalfOpen = true;
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      server.emit("connection", socket);
      // A listener makes Node's parser read through the socket. Otherwise it reads TLS itself, and
      // reads on where it should wait until an answer is sent, and takes that for a bad request.
      if (socket instanceof TLSSocket) socket.on("data", () => {});
      socket.resume();
    },
    sockets: () => sockets,
    drain() {
      draining = true;
      for (const res of running) {
        res.shouldKeepAlive = false;
        // The head is out and has promised keep-alive.
        if (res.headersSent) res.once("finish", () => res.req.socket.destroySoon());
      }
      // Closes idle connections, and stops the timer that checks timeouts.
      server.close();
    },
  };
}

/**
 * Ends the connection after an answer that comes before the end of its request, for instance of one
 * that is too large: nobody reads the rest, and a next request behind it would wait for ever. The
 * connection is half-closed, and the rest thrown away. After a full close the bytes that still come
 * would be answered with a reset, which takes the answer from a client that has not read it yet.
 */
function closeIfCutShort(req: http.IncomingMessage, res: http.ServerResponse) {
  const { socket } = req;
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => http.ServerResponse;
  res.writeHead = (...args: unknown[]) => {
    if (!req.complete) {
      // Node would destroy it. A client that then stays for longer than `lingerMs` is cut off.
      socket.destroySoon = () => socket.end();
      if (req.readableFlowing !== null) {
        res.shouldKeepAlive = false;
        res.once("finish", () => discardRest(req, socket));
      }
    }
    return writeHead(...args);
  };
}

/** Throws away the rest of a request: its reader has left it, destroyed or not. */
function discardRest(req: http.IncomingMessage, socket: net.Socket) {
  req.push = () => true;
  socket.resume();
}
