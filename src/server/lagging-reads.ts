import type { Logger } from "pino";
import type { Orm } from "../store/driver/orm.ts";
import { type Lagging, laggingReads } from "../store/reads/lagging.ts";
import type { Databases, Metrics } from "../telemetry/metrics.ts";
import { watchStandby } from "./standby-watch.ts";

/** Reads that may lag, for each kind of work a pool. */
export type LaggingPools = Record<"lists" | "streams" | "sums" | "looks", Lagging> & {
  stop(): Promise<void>;
  /** Stops, and throws the cause: the server cannot start. */
  fail(cause: unknown): Promise<never>;
};

/** Begins to watch the standby for reads (READS_URL), if there is one. */
export function startLaggingReads(
  { reads, streams, sums, standby }: Databases,
  log: Logger,
  { readsStandby: used }: Metrics,
): LaggingPools {
  const watch = standby && watchStandby({ standby: standby.looks, primary: reads, log, used });
  const lagging = (primary: Orm, pool: Orm | undefined, refusesBusy = false) =>
    laggingReads({ primary, standby: watch && pool && { pool, state: watch }, refusesBusy });
  const stop = async () => watch?.stop();
  return {
    lists: lagging(reads, standby?.reads),
    streams: lagging(streams, standby?.streams),
    sums: lagging(sums, standby?.sums, true),
    // A look must not wait for what many readers read.
    looks: lagging(reads, standby?.looks),
    stop,
    async fail(cause) {
      await stop();
      throw cause;
    },
  };
}
