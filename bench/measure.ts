import type { Cluster, Database } from "./cluster.ts";
import type { Latency } from "./load/samples.ts";
import { cpuMicrosOf, rssBytesOf } from "./processes.ts";

/** What one repeat of a row came to. What this machine does not tell is undefined. */
export type Measurement = Latency & {
  readonly operationsPerSecond: number;
  /** CPU microseconds an operation. */
  readonly serverCpuMicros: number | undefined;
  readonly postgresCpuMicros: number | undefined;
  readonly loadCpuMicros: number | undefined;
  readonly walBytes: number;
  /** Operations a transaction that wrote; undefined if there was none. */
  readonly batchOperations: number | undefined;
  /** The most that the server had in RAM, looked at four times a second. */
  readonly serverRssBytes: number | undefined;
};

/** The costs of a span of time, by difference; `undefined` where not known. */
export type Costs = {
  readonly serverCpuMicros: number | undefined;
  readonly postgresCpuMicros: number | undefined;
  readonly walBytes: number;
  readonly transactions: number;
  readonly serverRssBytes: number | undefined;
};

const RSS_EVERY_MS = 250;

/**
 * Starts to measure what a cluster and a server cost; what it gives ends it.
 *
 * @param serverPid undefined: there is no server but PostgreSQL
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
  // Transactions are numbered only when they write, and the numbers are there at once, unlike the
  // statistics.
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

/** What lies between two readings of a counter; undefined if one is not known. */
export function difference(
  after: number | undefined,
  before: number | undefined,
): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}
