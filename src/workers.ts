import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { AggregatorRegistry, type Registry } from "prom-client";
import type { Config } from "./config.ts";
import type { Serving } from "./serve.ts";

const REPLACE_PAUSE_MS = 500;

/** Whether this process is one of several that serve on one port. */
export const isWorker = cluster.isWorker;

/** Ends what ties a worker to the process that started it, which would keep it alive. */
export function endWorker(): void {
  cluster.worker?.disconnect();
}

/** Lets the process that started this worker add its metrics to those of the others. */
export function shareMetrics(registry: Registry): void {
  AggregatorRegistry.setRegistries(registry);
  // Making one has it answer the questions of the process that started us.
  void new AggregatorRegistry();
}

/**
 * Serves with several processes on one port, each with lanes of its own: row locks keep them apart,
 * as they do servers on several machines. New connections go to them in turn. One that dies is
 * replaced; signals are passed on to all.
 *
 * @param databaseUrl with the schema up to date
 * @throws if one of them ends before it listens; it has said why on standard error
 */
export async function startWorkers(
  config: Config,
  databaseUrl: string,
  log: Logger,
): Promise<Serving> {
  const environment = {
    DATABASE_URL: databaseUrl,
    MIGRATE: "off",
    WORKERS: "1",
    ADMIN_LISTEN: "off",
  };
  let stopping = false;

  async function keepOne(first: Worker): Promise<void> {
    for (let worker = first; ; worker = cluster.fork(environment)) {
      const [code, signal] = (await once(worker, "exit")) as [number | null, string | null];
      if (stopping) return;
      log.error({ pid: worker.process.pid, code, signal }, "a worker has ended; another follows");
      await sleep(REPLACE_PAUSE_MS);
      if (stopping) return;
    }
  }

  const metrics = new AggregatorRegistry();
  const workers = Array.from({ length: config.workers }, () => cluster.fork(environment));
  const ports = await Promise.all(workers.map(portOf)).catch(async (error: unknown) => {
    await endAll("SIGTERM");
    throw error;
  });
  const kept = workers.map(keepOne);
  process.on("SIGHUP", () => signalAll("SIGHUP"));

  return {
    address: { host: config.listen.host, port: ports[0]! },
    scrape: () => metrics.clusterMetrics(),
    async stop() {
      stopping = true;
      await endAll("SIGTERM");
      await Promise.all(kept);
    },
  };
}

async function portOf(worker: Worker): Promise<number> {
  const ended = new AbortController();
  worker.once("exit", () => ended.abort(new Error("a worker ended before it listened")));
  const [{ port }] = (await once(worker, "listening", ended)) as [{ port: number }];
  return port;
}

function signalAll(signal: NodeJS.Signals): void {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
}

async function endAll(signal: NodeJS.Signals): Promise<void> {
  const alive = Object.values(cluster.workers ?? {}).flatMap((worker) => worker ?? []);
  const ends = alive.map((worker) => once(worker, "exit"));
  signalAll(signal);
  await Promise.all(ends);
}
