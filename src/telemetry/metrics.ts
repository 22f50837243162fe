import type { Code } from "@connectrpc/connect";
import { Counter, Gauge, type GaugeConfiguration, Histogram, Registry } from "prom-client";
import { ErrorReason } from "../../gen/points/v1/error_reason_pb.ts";
import type { BatchObserver } from "../commit/observer.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Orm } from "../store/driver/orm.ts";
import { readStanding } from "../store/projection/standing.ts";
import { dueForSeconds } from "../store/reads/due.ts";
import { inTime } from "./in-time.ts";
import { watchOverview } from "./overview-gauges.ts";
import { codeName, type RpcObserver } from "./rpc-observer.ts";

/** A server's metrics. Recording is cheap: 0.3 µs for an RPC, the rest by the batch. */
export type Metrics = {
  readonly registry: Registry;
  readonly called: RpcObserver;
  /** The fast path took a call. */
  tookFastPath(): void;
  readonly batches: Omit<BatchObserver, "failed"> & { failed(): void };
  /** A batch begins, with this number of operations, of which the first waited this long. */
  batched(operations: number, waitedMs: number): void;
  /** An RPC, or an operation of a batch or stream, was refused. */
  refused(reason: string): void;
  serving(isServing: boolean): void;
  /** Whether reads go to the standby (READS_URL). */
  readsStandby(isUsed: boolean): void;
  /** For how many seconds an open transaction has held the stream of entries back; 0: none does. */
  feedHeldBack(seconds: number): void;
};

/** Bulkheads: the same database four times, with a connection pool each. */
export type Databases = {
  readonly batches: Orm;
  readonly reads: Orm;
  readonly streams: Orm;
  /** For sums and scans, each of which may take seconds. */
  readonly sums: Orm;
  /** Its standby for reads (READS_URL). `looks` is for what must not wait for reads. */
  readonly standby?: Record<"reads" | "streams" | "sums" | "looks", Orm> | undefined;
  /** Fires if the database is gone for good. */
  readonly gone?: AbortSignal;
};

/** Values that are read only when metrics are scraped. */
export type MetricsSources = {
  readonly databases: Databases;
  readonly queued: () => number;
  readonly queueMaxOps: number;
};

// From a read in memory to the longest usual deadline.
const RPC_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const STEP_SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5];
const OPERATIONS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000];

/** Makes a server's metrics, in a registry of their own. No label names a user. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const rpcs = rpcHistogram(registry);
  const refusals = new Counter({
    name: "points_refusals_total",
    help: "Calls and operations that were refused or failed, by the reason of their ErrorInfo.",
    labelNames: ["reason"],
    registers,
  });
  // Each series begins with 0: a rate does not see one that begins with 1.
  for (const reason of Object.keys(ErrorReason)) {
    if (reason !== "UNSPECIFIED") refusals.inc({ reason }, 0);
  }
  const serving = new Gauge({
    name: "points_serving",
    help: "1 while the database is fit to serve from, and the server is not stopping.",
    // Of several workers, the worst one counts.
    aggregator: "min",
    registers,
  });
  const feedHeldBack = new Gauge({
    name: "points_feed_held_back_seconds",
    help: "For how long an open transaction has held the stream of entries back, while it is read.",
    aggregator: "max",
    registers,
  });
  const readsStandby = new Gauge({
    name: "points_reads_standby",
    help: "1 while reads that may lag go to the standby (READS_URL); 0 without one.",
    aggregator: "min",
    registers,
  });
  const fastPath = new Counter({
    name: "points_fast_path_calls_total",
    help: "Unary gRPC calls that the fast path took; Connect's adapter answers all others.",
    registers,
  });
  watchQueue(registry, sources);
  watchDatabase(registry, sources.databases);
  watchOverview(registry, sources.databases.reads);
  return {
    registry,
    called: ({ request, code, ms }) => rpcs(request.method.name, code)(ms / 1000),
    tookFastPath: () => fastPath.inc(),
    refused: (reason) => refusals.inc({ reason }),
    serving: (isServing) => serving.set(isServing ? 1 : 0),
    readsStandby: (isUsed) => readsStandby.set(isUsed ? 1 : 0),
    feedHeldBack: (seconds) => feedHeldBack.set(seconds),
    ...batchMetrics(registry),
  };
}

/** Keeps one child a method and code, made when first needed: finding it again is costly. */
function rpcHistogram(registry: Registry) {
  const histogram = new Histogram({
    name: "points_rpc_duration_seconds",
    help: "RPCs that reached their handler, by method and gRPC code; a stream counts at its end.",
    labelNames: ["method", "code"],
    buckets: RPC_SECONDS,
    registers: [registry],
  });
  const children = new Map<string, ((seconds: number) => void)[]>();
  return (method: string, code: Code | undefined): ((seconds: number) => void) => {
    let byCode = children.get(method);
    if (byCode === undefined) children.set(method, (byCode = []));
    return (byCode[code ?? 0] ??= histogram.labels(method, codeName(code)).observe);
  };
}

function batchMetrics(registry: Registry): Pick<Metrics, "batches" | "batched"> {
  const registers = [registry];
  const waits = new Histogram({
    name: "points_queue_wait_seconds",
    help: "How long the operation of a batch that came first was queued.",
    buckets: STEP_SECONDS,
    registers,
  });
  const sizes = new Histogram({
    name: "points_batch_operations",
    help: "Operations in one batch.",
    buckets: OPERATIONS,
    registers,
  });
  const steps = new Histogram({
    name: "points_batch_step_seconds",
    help: "Time of a batch's transaction by step; lock includes the wait for a connection.",
    labelNames: ["step"],
    buckets: STEP_SECONDS,
    registers,
  });
  const retries = new Counter({
    name: "points_batch_retries_total",
    help: "Attempts of a batch that failed and were followed by another, by what was wrong.",
    labelNames: ["fault"],
    registers,
  });
  for (const fault of ["retry", "timeout", "cut", "away", "bug"]) retries.inc({ fault }, 0);
  const failures = new Counter({
    name: "points_batch_failures_total",
    help: "Batches that were given up because the database was away.",
    registers,
  });
  return {
    batched(operations, waitedMs) {
      sizes.observe(operations);
      waits.observe(waitedMs / 1000);
    },
    batches: {
      stepped: (step, ms) => steps.observe({ step }, ms / 1000),
      committed: pointCounters(registry),
      retried: (fault) => retries.inc({ fault }),
      failed: () => failures.inc(),
    },
  };
}

/** Counts the points of committed entries. */
function pointCounters(registry: Registry): BatchObserver["committed"] {
  const registers = [registry];
  const moved = new Counter({
    name: "points_moved_total",
    help: "Points that were recharged, consumed (settled included), expired, refunded and revoked.",
    labelNames: ["kind"],
    registers,
  });
  for (const kind of Object.values(MOVES)) {
    if (kind !== undefined) moved.inc({ kind }, 0);
  }
  const lacking = new Counter({
    name: "points_lacking_total",
    help: "Points that charges lacked: owed (they became debt), uncovered (not charged); and repaid.",
    labelNames: ["kind"],
    registers,
  });
  for (const kind of ["owed", "uncovered", "repaid"]) lacking.inc({ kind }, 0);
  return (entries) => {
    for (const [kind, points] of movedBy(entries)) moved.inc({ kind }, Number(points));
    for (const { kind, owed, uncovered, repaid } of entries) {
      // What a revocation lacks is no charge that was not paid.
      const isCharge = kind === "consume" || kind === "settle";
      if (owed > 0n && isCharge) lacking.inc({ kind: "owed" }, Number(owed));
      if (uncovered > 0n && isCharge) lacking.inc({ kind: "uncovered" }, Number(uncovered));
      if (repaid > 0n) lacking.inc({ kind: "repaid" }, Number(repaid));
    }
  };
}

/** What each kind of entry counts as in `points_moved_total`, if anything. */
const MOVES: Record<Entry["kind"], string | undefined> = {
  recharge: "recharged",
  consume: "consumed",
  expire: "expired",
  freeze: undefined,
  settle: "consumed",
  extend: undefined,
  release: undefined,
  refund: "refunded",
  revoke: "revoked",
  setPolicy: undefined,
  erase: undefined,
};

function movedBy(entries: readonly Entry[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { kind, points } of entries) {
    const move = MOVES[kind];
    if (move !== undefined) sums.set(move, (sums.get(move) ?? 0n) + points);
  }
  return sums;
}

function watchQueue(registry: Registry, { queued, queueMaxOps }: MetricsSources): void {
  gauge(registry, {
    name: "points_queue_operations",
    help: "Operations that wait for a batch.",
    collect() {
      this.set(queued());
    },
  });
  gauge(registry, {
    name: "points_queue_limit_operations",
    help: "How many may wait (QUEUE_MAX_OPS); more are refused as OVERLOADED.",
  }).set(queueMaxOps);
}

function watchDatabase(registry: Registry, databases: Databases): void {
  gauge(registry, {
    name: "points_pool_connections",
    help: "Connections to the database, by pool and state; waiting: who waits for one.",
    labelNames: ["pool", "state"],
    async collect() {
      for (const [pool, orm] of poolsOf(databases)) {
        const client = await orm.driver.getConnection().getNativeClient();
        this.set({ pool, state: "idle" }, client.idleCount);
        this.set({ pool, state: "busy" }, client.totalCount - client.idleCount);
        this.set({ pool, state: "waiting" }, client.waitingCount);
      }
    },
  });
  gauge(registry, {
    name: "points_sweep_lag_seconds",
    help: "For how long the oldest due lot or hold has waited to be booked; NaN: not to be known.",
    // Every worker sees the same database.
    aggregator: "max",
    async collect() {
      this.set(await inTime(() => dueForSeconds(databases.reads.em.fork()), Number.NaN));
    },
  });
  gauge(registry, {
    name: "points_projection_lag_seconds",
    help: "How far the index and the sums are behind the journal; NaN: being built, or not known.",
    aggregator: "max",
    async collect() {
      const kysely = databases.reads.em.fork().getKysely();
      const lag = async () => (await readStanding((read) => read.execute(kysely))).lagSeconds;
      this.set(await inTime(lag, Number.NaN));
    },
  });
}

function poolsOf({ batches, reads, streams, sums, standby }: Databases): [string, Orm][] {
  const ofStandby = Object.entries(standby ?? {}).map(([name, orm]): [string, Orm] => [
    `standby_${name}`,
    orm,
  ]);
  return [...Object.entries({ batches, reads, streams, sums }), ...ofStandby];
}

function gauge<Label extends string>(
  registry: Registry,
  configuration: GaugeConfiguration<Label>,
): Gauge<Label> {
  return new Gauge({ ...configuration, registers: [registry] });
}
