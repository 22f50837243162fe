import { createRegistry } from "@bufbuild/protobuf";
import {
  ConnectError,
  type ConnectRouter,
  createContextValues,
  type createHandlerContext,
} from "@connectrpc/connect";
import { compressionBrotli, compressionGzip, connectNodeAdapter } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import { file_google_rpc_code } from "../../gen/google/rpc/code_pb.ts";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { file_points_v1_error_reason } from "../../gen/points/v1/error_reason_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { type Access, openAccess } from "../auth/access.ts";
import { callerKey } from "../auth/caller.ts";
import { credentialsKey } from "../auth/credentials.ts";
import { leaseKey } from "../auth/lease.ts";
import { startSweeper } from "../commit/sweep.ts";
import type { Address } from "../config/address.ts";
import type { Config } from "../config/environment.ts";
import { reasonOf } from "../errors/api-error.ts";
import type { PriceList } from "../ledger/prices.ts";
import { PREVIOUS_ATTEMPTS, speakForAttempts } from "../rpc/earlier-attempts.ts";
import {
  answerLimit,
  authorization,
  completeErrors,
  errorCompleter,
  errorTranslation,
  errorTranslator,
  validation,
} from "../rpc/interceptors.ts";
import { pointsService } from "../rpc/points.ts";
import { strictJsonRoutes } from "../rpc/strict-json.ts";
import { createWatchers } from "../rpc/watch.ts";
import type { Orm } from "../store/driver/orm.ts";
import type { Databases, Metrics } from "../telemetry/metrics.ts";
import { callObservation, type CallObserver, codeName } from "../telemetry/rpc-observer.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import { authorityInUrl, type PageGuard, pageGuard } from "../transport/authority.ts";
import { boundDeadline, type DeadlineLimits } from "../transport/deadline.ts";
import { fastUnary, type ConnectOptions } from "../transport/fast-unary.ts";
import { refuseWith } from "../transport/http-refusal.ts";
import {
  type Handler,
  listen,
  type ListenLimits,
  listenLimits,
  type StreamTaker,
} from "../transport/listen.ts";
import { refuseMisdirected } from "../transport/misdirected.ts";
import { endBodyEarly, endStreamEarly, gatherBody, requestKey } from "../transport/request-body.ts";
import { requestLimit, withRequestLimit } from "../transport/request-limit.ts";
import { readTls, watchTls } from "../transport/tls.ts";
import { sendTrailersOnly } from "../transport/trailers-only.ts";
import { unknownRpc } from "../transport/unknown-rpc.ts";
import { watchDatabase } from "./database-watch.ts";
import { createHealth } from "./health.ts";
import { hasAuthentication } from "./insecure-listen.ts";
import { startGroupCommit } from "./observed-group-commit.ts";
import { reflectionRoutes } from "./reflection.ts";

/** What google.rpc.Status may have in it, for its JSON. */
const ERROR_DETAILS = createRegistry(file_google_rpc_error_details);

/** What errors are made of: no service says so in its types. */
const NAMED_BY_NO_SERVICE = [
  file_google_rpc_error_details,
  file_google_rpc_code,
  file_points_v1_error_reason,
];

/** A server that answers. */
export type PointsServer = {
  readonly address: Address;
  readonly metrics: Metrics;
  /** What health says of it. */
  readonly isServing: () => boolean;
  /** Says NOT_SERVING from now on, and goes on serving. */
  readonly announceStop: () => void;
  /** Stops admitting, commits and answers what is queued, and closes, within `drainMs`. */
  stop(): Promise<void>;
};

/**
 * Starts serving on a database whose schema is up to date.
 *
 * @param databases the same one twice: readers in a crowd have connections of their own, so that
 * no batch waits for one
 * @param prices the list in force at the time of a request
 * @param through lets a test see, and refuse, what goes the fast way
 * @param tracing undefined: no traces
 * @throws if the address cannot be listened on
 */
export async function startServer(
  config: Config,
  databases: Databases,
  prices: () => PriceList,
  log: Logger,
  through: (fast: StreamTaker) => StreamTaker = (fast) => fast,
  tracing?: Tracing,
): Promise<PointsServer> {
  const { batches: orm, reads } = databases;
  const { metrics, ...batcher } = startGroupCommit(config, databases, log, tracing);
  const toError = errorTranslator(log, metrics.refused);
  const { access, guard } = openDoor(config, log, metrics);
  const secure = readTls(config);
  const health = createHealth([PointsService.typeName]);

  const watchers = createWatchers(reads, log);
  const { submit } = batcher;
  const hasRoom = () => batcher.queued() < config.queueMaxOps;
  const stopping = new AbortController();
  const { rate } = access;
  const answerMaxBytes = config.messageOutMaxBytes;
  const operations = { submit, hasRoom, rate, stopping: stopping.signal, toError };
  const backend = { ...operations, orm: reads, prices, watchers, answerMaxBytes };

  const routes = (router: ConnectRouter) => {
    router.service(PointsService, pointsService(backend));
    health.routes(router);
    reflectionRoutes([PointsService, Health], NAMED_BY_NO_SERVICE)(router);
  };
  const shared: ConnectOptions = {
    routes,
    interceptors: [
      ...(tracing === undefined ? [] : [tracing.interceptor]),
      callObservation(callObserver(metrics, log)),
      errorTranslation(toError),
      validation(),
      authorization(),
    ],
    acceptCompression: [compressionGzip, compressionBrotli],
    requestLimit: requestLimit(config),
    writeMaxBytes: answerMaxBytes,
    completeError: errorCompleter(metrics.refused),
  };
  const deadlines = { defaultMs: config.deadlineDefaultMs, maxMs: config.deadlineMaxMs };
  const handler = guardedHandler(connectHandler(shared, deadlines, access), guard, metrics);
  const take = through(fastUnary(shared, { deadlines, access, guard }));
  const listener = await listen(config.listen, handler, limitsOf(config), take, secure);
  const stopWatchingTls = watchTls(config, log, (options) => {
    access.distrust(listener.renew(options), String(options.ca));
  });
  const endServing = await tellServing({ config, orm, log }, (isServing) => {
    health.setServing(isServing);
    metrics.serving(isServing);
  });
  const sweeper = startSweeper(orm, submit, config.sweepSeconds, log);

  return {
    address: listener.address,
    metrics,
    isServing: health.isServing,
    announceStop: () => void endServing(),
    async stop() {
      stopWatchingTls();
      access.close();
      await Promise.all([endServing(), sweeper.stop()]);
      health.close();
      stopping.abort();
      await Promise.all([watchers.close(), listener.close(config.drainMs)]);
      await batcher.drain();
    },
  };
}

/** Who may call, and from which web pages. */
function openDoor(config: Config, log: Logger, { refused }: Metrics) {
  const toError = errorTranslator(log, () => {});
  const guard = pageGuard({
    host: config.listen.host,
    hasAuthentication: hasAuthentication(config),
    hasTls: config.tlsCert !== undefined,
  });
  return { access: openAccess({ config, log, toError, refused }), guard };
}

type Watched = { readonly config: Config; readonly orm: Orm; readonly log: Logger };

/** Tells whether the database lets us serve, until the end: then it tells that we don't. */
async function tellServing({ config, orm, log }: Watched, tell: (isServing: boolean) => void) {
  const watch = watchDatabase(orm, log, config.durability, tell);
  // Who hears that the server has started may ask at once whether it is ready.
  await watch.looked;
  return () => {
    tell(false);
    return watch.stop();
  };
}

function limitsOf(config: Config): ListenLimits {
  return {
    ...listenLimits,
    idleMs: config.idleMs,
    requestMs: config.bodyMs,
    keepAliveMs: config.keepAliveMs,
    maxConnections: config.connectionsMax,
    maxConnectionsPerPeer: config.connectionsMaxPerPeer,
    maxStreamsPerSession: config.streamsMaxPerConnection,
    maxHeaderBytes: config.headerMaxBytes,
    maxResetsBurst: config.resetsMaxBurst,
    maxResetsPerSecond: config.resetsMaxPerSecond,
    // Whoever streams requests may take as long as they like.
    isEndless: (path) => ENDLESS_PATHS.has(path),
  };
}

const ENDLESS_PATHS = new Set(
  [PointsService, ReflectionV1, ReflectionV1Alpha].flatMap(({ typeName, methods }) =>
    methods
      .filter(({ methodKind }) => methodKind === "bidi_streaming")
      .map(({ name }) => `/${typeName}/${name}`),
  ),
);

const PREFIX = `/${PointsService.typeName}/`;

type AbortableContext = ReturnType<typeof createHandlerContext>;

/** Refuses what web pages of others ask for, and lets Connect read the authority of a socket. */
function guardedHandler(handler: Handler, guard: PageGuard, { refused }: Metrics): Handler {
  return (request, response) => {
    const { headers } = request;
    const refusal = guard(headers);
    if (refusal !== undefined) {
      const method = PointsService.methods.find(({ name }) => request.url === `${PREFIX}${name}`);
      const attempts = headers[PREVIOUS_ATTEMPTS];
      if (method !== undefined) speakForAttempts(refusal, method, attempts);
      refused(reasonOf(refusal));
      refuseWith(refusal, 403, request, response);
      return;
    }
    for (const name of [":authority", "host"]) {
      const named = headers[name];
      if (typeof named === "string") headers[name] = authorityInUrl(named);
    }
    handler(request, response);
  };
}

/** Measures calls, and at debug logs each of them. */
function callObserver({ called }: Metrics, log: Logger): CallObserver {
  if (!log.isLevelEnabled("debug")) return called;
  return (call) => {
    called(call);
    const { request, code, ms } = call;
    const { service, method, message, contextValues } = request;
    const { requestId = "" } = message as { requestId?: string };
    const caller = contextValues.get(callerKey).name;
    const known = { ...(requestId && { requestId }), ...(caller && { caller }) };
    const name = `${service.typeName}/${method.name}`;
    log.debug({ ...known, method: name, code: codeName(code), ms }, "a call");
  };
}

/** Connect's adapter: every protocol, HTTP/1.1 and HTTP/2. */
function connectHandler(
  shared: ConnectOptions,
  deadlines: DeadlineLimits,
  access: Access,
): Handler {
  const { requestLimit: limit, ...rest } = shared;
  // People read the JSON: a balance of 0 is worth saying.
  const jsonOptions = { alwaysEmitImplicit: true, registry: ERROR_DETAILS };
  const rpcs = new Map<string, ConnectRouter["handlers"][number]>();
  const adapter = connectNodeAdapter({
    ...rest,
    routes(router) {
      strictJsonRoutes(shared.routes, jsonOptions)(withRequestLimit(router, limit));
      for (const rpc of router.handlers) rpcs.set(rpc.requestPath, rpc);
    },
    interceptors: [answerLimit(shared.writeMaxBytes), ...shared.interceptors],
    // JSON is larger than what is measured.
    writeMaxBytes: 0xffffffff,
    contextValues: (request) => {
      const connection = "stream" in request ? request.stream.session : request;
      const { authorization: token } = request.headers;
      const values = createContextValues().set(requestKey, request);
      return values.set(credentialsKey, { authorization: token, connection });
    },
    async requestGate(context) {
      completeErrors(context, shared.completeError);
      const { service, method, values, signal, abort } = context as AbortableContext;
      const path = `/${service.typeName}/${method.name}`;
      const head = { path, ...values.get(credentialsKey) };
      const admitted = await access.admit(head);
      if (admitted instanceof ConnectError) throw admitted;
      const lease = access.lease(admitted, head, signal);
      values.set(callerKey, admitted.caller).set(leaseKey, lease);
      // It waits for what it tells of. Other calls wait for the caller, or for what they have begun.
      if (method.methodKind === "server_streaming") {
        lease.out.addEventListener("abort", () => abort(lease.out.reason));
      }
      const request = values.get(requestKey);
      if (request === undefined) return;
      gatherBody(request, limit(method));
      if (method.methodKind === "bidi_streaming") return endStreamEarly(request, lease);
      const atEnd = async () => {
        // The body may have come late.
        values.set(callerKey, await lease.caller());
        if (method.methodKind === "unary") lease.close();
      };
      endBodyEarly(request, { lease, signal, atEnd });
    },
    fallback: unknownRpc,
  });
  const unaryPaths = new Set(
    PointsService.methods
      .filter(({ methodKind }) => methodKind === "unary")
      .map(({ name }) => `${PREFIX}${name}`),
  );
  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const rpc = rpcs.get(path);
    if (rpc !== undefined && refuseMisdirected(rpc, request, response)) return;
    const streams = !unaryPaths.has(path);
    boundDeadline(request.headers, streams, deadlines);
    const isGrpc = /^application\/grpc(\+|;|$)/i.test(request.headers["content-type"] ?? "");
    if (isGrpc && "stream" in response) sendTrailersOnly(response);
    adapter(request, response);
  };
}
