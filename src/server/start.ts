import { createRegistry } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import { file_google_rpc_code } from "../../gen/google/rpc/code_pb.ts";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { file_points_v1_error_reason } from "../../gen/points/v1/error_reason_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { openAccess } from "../auth/access.ts";
import { callerKey } from "../auth/caller.ts";
import { startSweeper } from "../commit/sweep.ts";
import type { Address } from "../config/address.ts";
import type { Config } from "../config/environment.ts";
import type { PriceList } from "../ledger/prices.ts";
import {
  authorization,
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
import { pageGuard } from "../transport/authority.ts";
import { connectHandler } from "../transport/connect-handler.ts";
import { fastUnary, type ConnectOptions } from "../transport/fast-unary.ts";
import { listen, type ListenLimits, listenLimits, type StreamTaker } from "../transport/listen.ts";
import { requestLimit } from "../transport/request-limit.ts";
import { readTls, watchTls } from "../transport/tls.ts";
import { watchDatabase } from "./database-watch.ts";
import { createHealth } from "./health.ts";
import { hasAuthentication } from "./insecure-listen.ts";
import { startGroupCommit } from "./observed-group-commit.ts";
import { reflectionRoutes } from "./reflection.ts";

// People read the JSON: a balance of 0 is worth saying.
const JSON_FORM = {
  alwaysEmitImplicit: true,
  // What google.rpc.Status may have in it.
  registry: createRegistry(file_google_rpc_error_details),
};

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
  const rules = { deadlines, access, guard, refused: metrics.refused };
  const handler = connectHandler({ ...shared, routes: strictJsonRoutes(routes, JSON_FORM) }, rules);
  const take = through(fastUnary(shared, rules));
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
