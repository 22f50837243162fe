import type { Logger } from "pino";
import { commit } from "../commit/commit.ts";
import { createGroupCommit, type GroupCommit } from "../commit/group-commit.ts";
import type { BatchObserver } from "../commit/observer.ts";
import type { Config } from "../config/environment.ts";
import type { FirstPolicy } from "../ledger/first-policies.ts";
import { createMetrics, type Databases, type Metrics } from "../telemetry/metrics.ts";
import type { Tracing } from "../telemetry/tracing.ts";

export type GroupCommitOptions = {
  readonly config: Config;
  /** With the schema up to date. Readers have a pool of their own: no batch waits for one. */
  readonly databases: Databases;
  readonly log: Logger;
  /** The policies that new accounts get, from now on. */
  readonly firstPolicies: () => readonly FirstPolicy[];
  /** Undefined: no traces. */
  readonly tracing?: Tracing | undefined;
};

/**
 * Group commit with metrics, logs and traces. The metrics are those of the whole server: the depth
 * of the queue is one of them.
 */
export function startGroupCommit({
  config: { lanes, batchMaxOps, queueMaxOps },
  databases,
  log,
  firstPolicies,
  tracing,
}: GroupCommitOptions): GroupCommit & { readonly metrics: Metrics } {
  const { batches, gone } = databases;
  const metrics = createMetrics({ databases, queued: () => batcher.queued(), queueMaxOps });
  const observer = batchObserver(metrics, log);
  const batcher = createGroupCommit({
    lanes,
    run(commands, waitedMs) {
      metrics.batched(commands.length, waitedMs);
      const run = () => commit(batches, commands, { observer, firstPolicies, gone });
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

/** Counts the outcomes of batches, and logs once a batch what each of its callers is told. */
function batchObserver({ batches }: Metrics, log: Logger): BatchObserver {
  return {
    ...batches,
    retried(fault, err) {
      batches.retried(fault, err);
      // After a bug the batch's halves are tried. They may succeed, and nothing else would say it.
      const level = fault === "bug" ? "warn" : "debug";
      log[level]({ err, fault }, "a batch is tried again");
    },
    failed(operations, outcome, err) {
      batches.failed();
      log.warn({ err, operations, outcome }, "a batch failed: the database is away");
    },
  };
}
