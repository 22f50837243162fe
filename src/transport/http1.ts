import * as http from "node:http";
import type * as net from "node:net";
import { TLSSocket } from "node:tls";
import type { Handler, ListenLimits } from "./listen.ts";

/** Serves sockets that speak HTTP/1. A drain ends each when its answers are out. */
export function createHttp1(handle: Handler, limits: ListenLimits) {
  const sockets = new Set<net.Socket>();
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
      // Its client was told that nothing more is answered here.
      if (req.socket.writableEnded) return;
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
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      server.emit("connection", socket);
      // By this Node's parser reads by way of the socket. It reads TLS itself otherwise, and reads
      // on where it is to wait for an answer to be sent, which it takes for the request's error.
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
      // Closes the connections that idle, and stops the checking of timeouts' timer.
      server.close();
    },
  };
}

/**
 * An answer that comes before the end of its request, which was too large say, ends the connection:
 * nobody reads the rest, and a next request behind it would wait for ever. The connection is ended
 * by halves, and the rest thrown away: were it closed, what still comes would be answered with a
 * reset, which takes the answer from a client that has not read it yet.
 */
function closeIfCutShort(req: http.IncomingMessage, res: http.ServerResponse) {
  const { socket } = req;
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => http.ServerResponse;
  res.writeHead = (...args: unknown[]) => {
    if (!req.complete) {
      // Node would destroy it. Whoever then stays for longer than `lingerMs` is cut off.
      socket.destroySoon = () => socket.end();
      if (req.readableFlowing !== null) {
        res.shouldKeepAlive = false;
        res.once("finish", () => discardRest(req, socket));
      }
    }
    return writeHead(...args);
  };
}

/** Whoever read of the request has left it, destroyed or not. */
function discardRest(req: http.IncomingMessage, socket: net.Socket) {
  req.push = () => true;
  socket.resume();
}
