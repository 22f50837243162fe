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

/** The deadline of calls without one: longer than any that a caller here sends. */
export const UNNAMED_DEADLINE_MS = 3_600_000;

/**
 * Serves another service as Points serves its own, with the same listener, adapter and fast path,
 * but without parts of this API: details of errors, and limits on JSON and the size of a request.
 *
 * @param maxBytes the maximum size of a message
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
