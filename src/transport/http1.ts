import * as http from "node:http";
import type * as net from "node:net";
import type { Handler } from "./handler.ts";
import type { ListenLimits } from "./listen-limits.ts";

/** Serves sockets that speak HTTP/1. `drain` ends each when its answers are out. */
export function createHttp1(handle: Handler, limits: ListenLimits) {
  const sockets = new Set<net.Socket>();
  const running = new Set<http.ServerResponse>();
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
      running.add(res);
      res.once("close", () => running.delete(res));
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
 * that is too large: nobody reads the rest, and a next request behind it would wait for ever.
 */
function closeIfCutShort(req: http.IncomingMessage, res: http.ServerResponse) {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => http.ServerResponse;
  res.writeHead = (...args: unknown[]) => {
    if (!req.complete && req.readableFlowing !== null) res.shouldKeepAlive = false;
    return writeHead(...args);
  };
}
