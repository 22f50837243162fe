import type { Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type Api, apiOf } from "../../support/api.ts";

export type Points = Api;

/** A server as clients see it. It may go down and come back at another address. */
export type Target = {
  /** A client of the server; each call gives the next of its connections (round robin). */
  client(): Points;
  /** Reconnects at this address; undefined: the server is down. */
  aim(baseUrl: string | undefined): void;
  /** Whether the server is believed to be up. */
  isUp(): boolean;
  /** Closes its connections. */
  close(): void;
};

const CONNECTIONS = 4;

/**
 * A target at a server's address.
 *
 * @param token gives the bearer token of each call; undefined: calls have none
 */
export function targetAt(baseUrl: string | undefined, token?: () => string): Target {
  let clients: Points[] = [];
  let sessions: Http2SessionManager[] = [];
  let turn = 0;
  let up = false;
  const aim = (next: string | undefined) => {
    up = next !== undefined;
    if (next === undefined) return;
    for (const session of sessions) session.abort();
    sessions = Array.from({ length: CONNECTIONS }, () => new Http2SessionManager(next));
    clients = sessions.map((sessionManager, index) => {
      // Compression costs more than it saves here. One connection uses it to cover it.
      const compression = index === 0 ? {} : { acceptCompression: [] };
      const interceptors = token === undefined ? [] : [showing(token)];
      const options = { baseUrl: next, sessionManager, interceptors, ...compression };
      return apiOf(createGrpcTransport(options));
    });
  };
  aim(baseUrl);
  return {
    client: () => clients[(turn += 1) % clients.length]!,
    aim,
    isUp: () => up,
    close() {
      for (const session of sessions) session.abort();
    },
  };
}

function showing(token: () => string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token()}`);
    return next(request);
  };
}
