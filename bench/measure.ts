import type { Cluster, Database } from "./cluster.ts";
import type { Latency } from "./load/samples.ts";
import { cpuMicrosOf, rssBytesOf } from "./processes.ts";

/** The figures of one repeat of a row; undefined where this machine does not provide one. */
export type Measurement = Latency & {
  readonly operationsPerSecond: number;
  /** CPU time in microseconds an operation. */
  readonly serverCpuMicros: number | undefined;
  readonly postgresCpuMicros: number | undefined;
  readonly loadCpuMicros: number | undefined;
  readonly walBytes: number;
  /** Operations for each writing transaction (group commit); undefined without transactions. */
  readonly batchOperations: number | undefined;
  /** The server's peak RSS, sampled four times a second. */
  readonly serverRssBytes: number | undefined;
};

/** The resource costs of a time span, as differences of counters; undefined where unknown. */
export type Costs = {
  readonly serverCpuMicros: number | undefined;
  readonly postgresCpuMicros: number | undefined;
  readonly walBytes: number;
  readonly transactions: number;
  readonly serverRssBytes: number | undefined;
};

const RSS_EVERY_MS = 250;

/**
 * Starts to measure the costs of a cluster and a server; the returned function ends it.
 *
 * @param serverPid undefined: PostgreSQL is the only server
 */
export async function startCosts(
  cluster: Cluster,
  database: Database,
  serverPid: number | undefined,
): Promise<() => Promise<Costs>> {
  let serverRssBytes = serverPid === undefined ? undefined : rssBytesOf(serverPid);
  const watch = setInterval(() => {
    const now = serverPid === undefined ? undefined : rssBytesOf(serverPid);
    if (now !== undefined) serverRssBytes = Math.max(serverRssBytes ?? 0, now);
  }, RSS_EVERY_MS);
  const before = await readCosts(cluster, database, serverPid);
  return async () => {
    clearInterval(watch);
    const after = await readCosts(cluster, database, serverPid);
    return {
      serverCpuMicros: difference(after.serverCpu, before.serverCpu),
      postgresCpuMicros: difference(after.postgresCpu, before.postgresCpu),
      walBytes: Number(after.wal - before.wal),
      transactions: Number(after.transaction - before.transaction),
      serverRssBytes,
    };
  };
}

async function readCosts({ pid }: Cluster, { query }: Database, serverPid: number | undefined) {
  // Counts transaction ids: only writing transactions get one, and without the delay of statistics.
  const [row] = await query<{ wal: string; transaction: string }>(
    `select pg_current_wal_insert_lsn() - '0/0' as wal,
      pg_snapshot_xmax(pg_current_snapshot())::text as transaction`,
  );
  return {
    wal: BigInt(row!.wal),
    transaction: BigInt(row!.transaction),
    postgresCpu: cpuMicrosOf(pid),
    serverCpu: serverPid === undefined ? undefined : cpuMicrosOf(serverPid),
  };
}

/** The difference of two readings of a counter; undefined if one is unknown. */
export function difference(
  after: number | undefined,
  before: number | undefined,
): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}
