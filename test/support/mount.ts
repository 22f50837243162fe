import { ConnectError } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { pino } from "pino";
import { openAccess } from "../../src/auth/access.ts";
import { readConfig } from "../../src/config/environment.ts";
import { rpcObservation } from "../../src/telemetry/rpc-observer.ts";
import { pageGuard } from "../../src/transport/authority.ts";
import { connectHandler, type RpcOptions } from "../../src/transport/connect-handler.ts";
import { fastUnary } from "../../src/transport/fast-unary.ts";
import { listenLimits } from "../../src/transport/listen-limits.ts";
import { listen, type Listener } from "../../src/transport/listen.ts";
import type { MethodOptions, Routes } from "../../src/transport/routes.ts";
import type { TlsOptions } from "../../src/transport/tls.ts";

/** The deadline of calls without one: longer than any that a caller here sends. */
export const UNNAMED_DEADLINE_MS = 3_600_000;

export type MountOptions = {
  /** The maximum size of a message. */
  readonly maxBytes: number;
  readonly secure?: TlsOptions | undefined;
  readonly jsonOptions?: NonNullable<MethodOptions["jsonOptions"]>;
};

/**
 * Serves another service as Points serves its own: by the same listener, adapter and fast path. The
 * parts of this API stay out: details of errors, strict JSON, and limits of a request's size.
 */
export function mount(
  routes: Routes,
  { maxBytes, secure, jsonOptions = {} }: MountOptions,
): Promise<Listener> {
  const config = readConfig({ LISTEN: "127.0.0.1:0" });
  const log = pino({ level: "silent" });
  const { host } = config.listen;
  const options: RpcOptions = {
    routes,
    interceptors: [rpcObservation(() => {})],
    acceptCompression: [compressionGzip, compressionBrotli],
    jsonOptionsOf: () => jsonOptions,
    requestLimit: () => maxBytes,
    writeMaxBytes: 0xffffffff,
    completeError() {},
  };
  const refused = () => {};
  const rules = {
    deadlines: { defaultMs: UNNAMED_DEADLINE_MS, maxMs: UNNAMED_DEADLINE_MS },
    access: openAccess({ config, log, toError: ConnectError.from, refused }),
    guard: pageGuard({ host, hasAuthentication: false, hasTls: secure !== undefined }),
  };
  return listen({
    address: config.listen,
    handler: connectHandler(options, rules, refused),
    tryHandle: fastUnary(options, rules),
    limits: listenLimits(config),
    secure,
  });
}
