import type { Logger } from "pino";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { openAccess } from "../auth/access.ts";
import { Draining } from "../commit/batcher.ts";
import type { Address } from "../config/address.ts";
import type { Config } from "../config/environment.ts";
import { errorTranslator } from "../rpc/interceptors.ts";
import type { Prices } from "../rpc/price-file.ts";
import { serverTime } from "../rpc/prices.ts";
import { type HorizonWatch, watchHorizon } from "../feed/watch-horizon.ts";
import { createWatchers } from "../rpc/watch.ts";
import { databaseNow } from "../store/driver/clock.ts";
import {
  describeOldest,
  flushWal,
  lookAtStandbysHorizon,
  lookForHorizon,
  summarizeFeed,
} from "../store/reads/feed.ts";
import type { Lagging } from "../store/reads/lagging.ts";
import { inSnapshot } from "../store/driver/transaction.ts";
import type { Databases, Metrics } from "../telemetry/metrics.ts";
import { pageGuard } from "../transport/authority.ts";
import { type CallRules, connectHandler } from "../transport/connect-handler.ts";
import { withConsole } from "../transport/console.ts";
import { fastUnary } from "../transport/fast-unary.ts";
import type { TryHandle } from "../transport/handler.ts";
import { listenLimits } from "../transport/listen-limits.ts";
import { listen } from "../transport/listen.ts";
import { readTls, watchTls } from "../transport/tls.ts";
import { watchDatabase } from "./database-watch.ts";
import { createHealth } from "./health.ts";
import { hasAuthentication } from "./insecure-listen.ts";
import { startJobs } from "./jobs.ts";
import { startLaggingReads } from "./lagging-reads.ts";
import { type GroupCommitOptions, startGroupCommit } from "./observed-group-commit.ts";
import { ENDLESS_PATHS, pointsApi } from "./points-api.ts";

export type ServerOptions = GroupCommitOptions & {
  /** The list in force at the time of a request. */
  readonly prices: () => Prices;
};

/** A server that answers. */
export type PointsServer = {
  readonly address: Address;
  readonly metrics: Metrics;
  /** The state that health shows. */
  readonly isServing: () => boolean;
  /** Lame duck: health says NOT_SERVING from now on, and the server goes on serving. */
  readonly announceStop: () => void;
  /** Graceful shutdown, within `drainMs`. */
  stop(): Promise<void>;
};

/**
 * Starts serving.
 *
 * @throws if a file of the configuration cannot be used, or the address not be listened on
 */
export async function startServer(options: ServerOptions): Promise<PointsServer> {
  const { config, prices, log } = options;
  const { batches: orm, reads, streams } = options.databases;
  const { metrics, submit, ...batcher } = startGroupCommit(options);
  const rules = callRules(config, log, metrics);
  const { access } = rules;
  const secure = readTls(config);
  const health = createHealth(
    [PointsService, PolicyService, LedgerService].map(({ typeName }) => typeName),
  );
  const watchers = createWatchers(reads, log);
  const laggingPools = startLaggingReads(options.databases, log, metrics);
  const horizon = horizonOf(options.databases, laggingPools.looks, log, metrics);
  const stopping = new AbortController();
  const backend = {
    submit,
    hasRoom: () => batcher.queued() < config.queueMaxOps,
    rate: access.rate,
    stopping: stopping.signal,
    toError: errorTranslator(log, metrics.refused),
    orm: reads,
    laggingLists: laggingPools.lists,
    prices,
    watchers,
    horizon,
    streams,
    laggingStreams: laggingPools.streams,
    laggingSums: laggingPools.sums,
    answerMaxBytes: config.messageOutMaxBytes,
    now: config.testClock ? () => inSnapshot(reads, databaseNow) : serverTime,
  };
  const api = pointsApi({ ...options, backend, health, metrics });
  const listener = await listen({
    address: config.listen,
    handler: withConsole(config, connectHandler(api, rules, metrics.refused)),
    tryHandle: counted(fastUnary(api, rules), metrics.tookFastPath),
    limits: listenLimits(config, ENDLESS_PATHS),
    secure,
  }).catch(laggingPools.fail);
  const stopWatchingTls = watchTls(config, log, (renewed) => {
    access.distrust(listener.renew(renewed), String(renewed.ca));
  });
  const setServing = (isServing: boolean) => {
    health.setServing(isServing);
    metrics.serving(isServing);
  };
  const watch = watchDatabase(orm, log, config.durability, setServing);
  // A caller who learns that the server has started may ask at once whether it is ready.
  await watch.looked;
  const jobs = startJobs({ config, log, orm, reads, submit, laggingSums: laggingPools.sums });
  const endServing = () => {
    setServing(false);
    return watch.stop();
  };

  return {
    address: listener.address,
    metrics,
    isServing: health.isServing,
    announceStop: () => void endServing(),
    async stop() {
      // 1. No file is reloaded any more.
      stopWatchingTls();
      access.close();
      // 2. Health says NOT_SERVING, and what the server does by itself ends.
      await Promise.all([endServing(), jobs.stop()]);
      // 3. Watches of health end, with that state as their last message.
      health.close();
      // 4. Streams of operations take no further operation, and answer those that they took.
      stopping.abort();
      // 5. Watches and streams of entries end; the port closes, and requests under way have `drainMs`
      // to end.
      const streamsEnd = horizon.close(new Draining());
      await Promise.all([watchers.close(), streamsEnd, listener.close(config.drainMs)]);
      // 6. Operations that are still queued are committed, though their callers may be gone.
      await Promise.all([batcher.drain(), laggingPools.stop()]);
    },
  };
}

function horizonOf(
  { reads, streams }: Databases,
  looks: Lagging,
  log: Logger,
  { feedHeldBack }: Metrics,
): HorizonWatch {
  // A look must not wait for what many readers read.
  return watchHorizon({
    look: () => looks.readOr(lookAtStandbysHorizon, () => lookForHorizon(reads)),
    flush: () => flushWal(reads),
    summarize: () => summarizeFeed(streams),
    describeOldest: (xmin) => describeOldest(reads, xmin),
    heldBack: feedHeldBack,
    log,
  });
}

function callRules(config: Config, log: Logger, { refused }: Metrics): CallRules {
  const toError = errorTranslator(log, () => {});
  return {
    deadlines: { defaultMs: config.deadlineDefaultMs, maxMs: config.deadlineMaxMs },
    access: openAccess({ config, log, toError, refused }),
    guard: pageGuard({
      host: config.listen.host,
      hasAuthentication: hasAuthentication(config),
      hasTls: config.tlsCert !== undefined,
    }),
  };
}

function counted(tryHandle: TryHandle, count: () => void): TryHandle {
  return (stream, headers) => {
    const isHandled = tryHandle(stream, headers);
    if (isHandled) count();
    return isHandled;
  };
}
