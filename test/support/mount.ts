import { ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { pino } from "pino";
import { openAccess } from "../../src/auth/access.ts";
import { readConfig } from "../../src/config/environment.ts";
import { callObservation } from "../../src/telemetry/rpc-observer.ts";
import { pageGuard } from "../../src/transport/authority.ts";
import { connectHandler } from "../../src/transport/connect-handler.ts";
import { type ConnectOptions, fastUnary } from "../../src/transport/fast-unary.ts";
import { listen, type Listener, listenLimits } from "../../src/transport/listen.ts";
import type { TlsOptions } from "../../src/transport/tls.ts";

/** A call that names no deadline gets this one: none that a caller names here is as long. */
export const UNNAMED_DEADLINE_MS = 3_600_000;

/**
 * Serves another service as Points serves its own: by the same listener, adapter and fast way. What
 * is of this API stays away: its errors' details, and its limits of JSON and of a request's size.
 *
 * @param maxBytes of a message
 */
export function mount(
  routes: (router: ConnectRouter) => void,
  maxBytes: number,
  secure?: TlsOptions,
): Promise<Listener> {
  const config = readConfig({ LISTEN: "127.0.0.1:0" });
  const log = pino({ level: "silent" });
  const { host } = config.listen;
  const options: ConnectOptions = {
    routes,
    interceptors: [callObservation(() => {})],
    acceptCompression: [compressionGzip, compressionBrotli],
    requestLimit: () => maxBytes,
    writeMaxBytes: 0xffffffff,
    completeError() {},
  };
  const refused = () => {};
  const rules = {
    deadlines: { defaultMs: UNNAMED_DEADLINE_MS, maxMs: UNNAMED_DEADLINE_MS },
    access: openAccess({ config, log, toError: ConnectError.from, refused }),
    guard: pageGuard({ host, hasAuthentication: false, hasTls: secure !== undefined }),
    refused,
  };
  const handler = connectHandler(options, rules);
  return listen(config.listen, handler, listenLimits, fastUnary(options, rules), secure);
}
