import { setTimeout as sleep } from "node:timers/promises";
import { collectDefaultMetrics } from "prom-client";
import type { Address } from "../config/address.ts";
import { closePool, type Database } from "../postgres/database.ts";
import { openOrm } from "../store/driver/orm.ts";
import { ANSWER_MAX_MS } from "./ready-database.ts";
import { type ServerOptions, startServer } from "./start.ts";
import { isWorker, shareMetrics } from "./worker.ts";

/** A running server: this process, or its workers. */
export type Serving = {
  readonly address: Address;
  /** The metrics in Prometheus' text format. */
  readonly scrape: () => Promise<string>;
  /** Whether calls are answered now. */
  readonly isReady: () => Promise<boolean>;
  /**
   * Stops in two steps. Lame duck: says NOT_SERVING for `lameDuckMs`, and serves on. Graceful
   * shutdown: answers what is queued, and ends.
   *
   * @param hurried ends the lame duck
   */
  readonly stop: (hurried: Promise<void>) => Promise<void>;
};

export type OneProcessOptions = Pick<
  ServerOptions,
  "config" | "prices" | "firstPolicies" | "log"
> & {
  readonly database: Database;
};

const READS_MAX_CONNECTIONS = 5;
const STREAMS_MAX_CONNECTIONS = 2;
const SUMS_MAX_CONNECTIONS = 2;
const LOOKS_MAX_CONNECTIONS = 2;

/** Serves with this process. */
export async function serveWithOneProcess(options: OneProcessOptions): Promise<Serving> {
  const { config, database, log } = options;
  // OpenTelemetry is loaded only where it is wanted.
  const traced = config.otlpEndpoint === undefined ? undefined : import("../telemetry/tracing.ts");
  const tracing = (await traced)?.startTracing(process.env, log);
  const open = (maxConnections: number, url = database.url) =>
    openOrm(url, maxConnections, {
      schema: config.databaseSchema,
      answerMaxMs: ANSWER_MAX_MS,
      testClock: config.testClock,
    });
  const reads = await open(READS_MAX_CONNECTIONS);
  const streams = await open(STREAMS_MAX_CONNECTIONS);
  const sums = await open(SUMS_MAX_CONNECTIONS);
  const { readsUrl } = config;
  const standby =
    readsUrl === undefined
      ? undefined
      : {
          reads: await open(READS_MAX_CONNECTIONS, readsUrl),
          streams: await open(STREAMS_MAX_CONNECTIONS, readsUrl),
          sums: await open(SUMS_MAX_CONNECTIONS, readsUrl),
          looks: await open(LOOKS_MAX_CONNECTIONS, readsUrl),
        };
  const readPools = [reads, streams, sums, ...Object.values(standby ?? {})];
  const gone = new AbortController();
  void database.lost.then(() => gone.abort());
  const databases = { batches: database.orm, reads, streams, sums, standby, gone: gone.signal };
  const starting = startServer({ ...options, databases, tracing });
  const server = await starting.catch(async (cause: unknown) => {
    await Promise.all(readPools.map(closePool));
    throw cause;
  });
  const { registry } = server.metrics;
  collectDefaultMetrics({ register: registry });
  if (isWorker) shareMetrics(registry);
  return {
    address: server.address,
    scrape: () => registry.metrics(),
    isReady: () => Promise.resolve(server.isServing()),
    async stop(hurried) {
      server.announceStop();
      await pause(config.lameDuckMs, hurried);
      await server.stop();
      await Promise.all(readPools.map(closePool));
      await tracing?.stop();
    },
  };
}

/** Waits for `ms`, or until `hurried` resolves. */
async function pause(ms: number, hurried: Promise<void>): Promise<void> {
  const waiting = new AbortController();
  void hurried.then(() => waiting.abort());
  await sleep(ms, undefined, { signal: waiting.signal }).catch(() => {});
}
