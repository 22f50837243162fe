import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { Address } from "../config/address.ts";
import { pageGuard } from "../transport/authority.ts";

/** The contents of the admin port. */
export type AdminSources = {
  /** The metrics in Prometheus' text format. */
  readonly scrape: () => Promise<string>;
  /** Whether balancers should send RPCs here now. */
  readonly isReady: () => Promise<boolean>;
  /** Whether the server goes by a clock for tests, which /readyz then says. */
  readonly testClock?: boolean;
};

export type Admin = {
  readonly address: Address;
  close(): void;
};

/**
 * Admin port: serves /metrics, /healthz (liveness: 200) and /readyz (readiness: 200 or 503) over
 * HTTP/1.1. It is a port of its own: callers of RPCs need not see metrics.
 *
 * @throws if the address cannot be listened on
 */
export async function serveAdmin(
  { host, port }: Address,
  { scrape, isReady, testClock = false }: AdminSources,
): Promise<Admin> {
  const answer = async (path: string | undefined): Promise<Answer> => {
    switch (path) {
      case "/metrics":
        return { status: 200, body: await scrape(), type: METRICS_TYPE };
      case "/healthz":
        return { status: 200, body: "ok\n" };
      case "/readyz":
        if (!(await isReady())) return NOT_READY;
        return { status: 200, body: testClock ? "ok, by a clock for tests\n" : "ok\n" };
      default:
        return { status: 404, body: "/metrics, /healthz or /readyz\n" };
    }
  };
  const guard = pageGuard({ host, hasAuthentication: false, hasTls: false });
  const server = http.createServer((request, response) => {
    const send = ({ status, body, type = "text/plain; charset=utf-8" }: Answer) =>
      response.writeHead(status, { "content-type": type }).end(body);
    const refusal = guard(request.headers);
    if (refusal !== undefined) {
      send({ status: 403, body: `${refusal.rawMessage}\n` });
      return;
    }
    answer(request.url?.split("?", 1)[0]).then(send, (error: unknown) => {
      send({ status: 500, body: `${error instanceof Error ? error.message : String(error)}\n` });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: { host: bound.address, port: bound.port },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

type Answer = { readonly status: number; readonly body: string; readonly type?: string };

const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const NOT_READY: Answer = {
  status: 503,
  body: "stopping, or the database is away or not durable\n",
};
