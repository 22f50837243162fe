import { createRegistry } from "@bufbuild/protobuf";
import { ConnectError, type ConnectRouter, createContextValues } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip, connectNodeAdapter } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { type Admission, type Admit, credentialsKey, openAccess } from "../auth/access.ts";
import { callerKey } from "../auth/caller.ts";
import type { Address } from "../address.ts";
import type { Config } from "../config.ts";
import type { PriceList } from "../ledger/prices.ts";
import { callObservation, type CallObserver, codeName } from "../rpc/calls.ts";
import { reasonOf } from "../rpc/errors.ts";
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
import { createWatchers } from "../rpc/watch.ts";
import type { Orm } from "../store/orm.ts";
import { startSweeper } from "../sweep.ts";
import { watchDatabase } from "./database-watch.ts";
import { boundDeadline, type DeadlineLimits } from "./deadline.ts";
import { fastUnary, type ConnectOptions } from "./fast-unary.ts";
import { startGroupCommit } from "./group-commit.ts";
import { createHealth } from "./health.ts";
import {
  type Handler,
  listen,
  type ListenLimits,
  listenLimits,
  type StreamTaker,
} from "./listen.ts";
import type { Databases, Metrics } from "./metrics.ts";
import { reflectionRoutes } from "./reflection.ts";
import { endBodyAtDeadline, requestKey } from "./request-body.ts";
import { readTls, watchTls } from "./tls.ts";
import type { Tracing } from "./tracing.ts";
import { sendTrailersOnly } from "./trailers-only.ts";
import { unknownRpc } from "./unknown-rpc.ts";

/** What google.rpc.Status may have in it, for its JSON. */
const ERROR_DETAILS = createRegistry(file_google_rpc_error_details);

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
  const access = openAccess(config, log, errorTranslator(log, () => {}));
  const admit = countedAdmission(access.admit, metrics);
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
    reflectionRoutes([PointsService, Health], [file_google_rpc_error_details])(router);
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
    readMaxBytes: config.messageMaxBytes,
    writeMaxBytes: answerMaxBytes,
    completeError: errorCompleter(metrics.refused),
  };
  const deadlines = { defaultMs: config.deadlineDefaultMs, maxMs: config.deadlineMaxMs };
  const handler = connectHandler(shared, deadlines, admit);
  const take = through(fastUnary(shared, deadlines, admit));
  const listener = await listen(config.listen, handler, limitsOf(config), take, secure);
  const stopWatchingTls = watchTls(config, log, listener.renew);
  const endServing = tellServing(orm, log, (isServing) => {
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

/** Tells whether the database lets us serve, until the end: then it tells that we don't. */
function tellServing(orm: Orm, log: Logger, tell: (isServing: boolean) => void) {
  const watch = watchDatabase(orm, log, tell);
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

/** Counts who is not let in: no interceptor sees them. */
function countedAdmission(admit: Admit, { refused }: Metrics): Admit {
  const counted = (admission: Admission) => {
    if (admission instanceof ConnectError) refused(reasonOf(admission));
    return admission;
  };
  return (path, credentials) => {
    const admission = admit(path, credentials);
    return admission instanceof Promise ? admission.then(counted) : counted(admission);
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
  admit: Admit,
): Handler {
  const adapter = connectNodeAdapter({
    ...shared,
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
      const { service, method, values } = context;
      const path = `/${service.typeName}/${method.name}`;
      const admitted = await admit(path, values.get(credentialsKey));
      if (admitted instanceof ConnectError) throw admitted;
      values.set(callerKey, admitted);
      const request = values.get(requestKey);
      const isOneMessage = method.methodKind !== "bidi_streaming";
      if (isOneMessage && request !== undefined) endBodyAtDeadline(request, context.signal);
    },
    fallback: unknownRpc,
    // People read the JSON: a balance of 0 is worth saying.
    jsonOptions: { alwaysEmitImplicit: true, registry: ERROR_DETAILS },
  });
  const unaryPaths = new Set(
    PointsService.methods
      .filter(({ methodKind }) => methodKind === "unary")
      .map(({ name }) => `/${PointsService.typeName}/${name}`),
  );
  return (request, response) => {
    const streams = !unaryPaths.has(request.url?.split("?", 1)[0] ?? "");
    boundDeadline(request.headers, streams, deadlines);
    const isGrpc = /^application\/grpc(\+|;|$)/i.test(request.headers["content-type"] ?? "");
    if (isGrpc && "stream" in response) sendTrailersOnly(response);
    adapter(request, response);
  };
}
