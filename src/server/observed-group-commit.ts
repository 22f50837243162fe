import type { Logger } from "pino";
import { commit } from "../commit/commit.ts";
import { createGroupCommit, type GroupCommit } from "../commit/group-commit.ts";
import type { BatchObserver } from "../commit/observer.ts";
import type { Config } from "../config/environment.ts";
import { createMetrics, type Databases, type Metrics } from "../telemetry/metrics.ts";
import type { Tracing } from "../telemetry/tracing.ts";

/**
 * The batcher that commits commands, with all that is measured of it. The metrics are the whole
 * server's: the queue's depth is one of them.
 *
 * @param tracing undefined: no traces
 */
export function startGroupCommit(
  { lanes, batchMaxOps, queueMaxOps }: Config,
  databases: Databases,
  log: Logger,
  tracing: Tracing | undefined,
): GroupCommit & { readonly metrics: Metrics } {
  const { batches, gone } = databases;
  const metrics = createMetrics({ databases, queued: () => batcher.queued(), queueMaxOps });
  const observer = batchObserver(metrics, log);
  const batcher = createGroupCommit({
    lanes,
    run(commands, waitedMs) {
      metrics.batched(commands.length, waitedMs);
      const run = () => commit(batches, commands, { observer, gone });
      return tracing === undefined ? run() : tracing.batch(commands, run);
    },
    batchMaxOps,
    queueMaxOps,
  });
  if (tracing === undefined) return { ...batcher, metrics };
  const submit: typeof batcher.submit = (commands, signal) => {
    for (const command of commands) tracing.asked(command);
    return batcher.submit(commands, signal);
  };
  return { ...batcher, submit, metrics };
}

/** Counts what becomes of batches, and logs once a batch what its callers are told each. */
function batchObserver({ batches }: Metrics, log: Logger): BatchObserver {
  return {
    ...batches,
    retried(fault, err) {
      batches.retried(fault, err);
      // After a bug its halves are, and may succeed: nobody else would say anything.
      const level = fault === "bug" ? "warn" : "debug";
      log[level]({ err, fault }, "a batch is tried again");
    },
    failed(operations, outcome, err) {
      batches.failed();
      log.warn({ err, operations, outcome }, "a batch failed: the database is away");
    },
  };
}
