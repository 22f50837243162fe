import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { AggregatorRegistry } from "prom-client";
import { addressText } from "../config/address.ts";
import type { Config } from "../config/environment.ts";
import type { ConfigFiles } from "./config-files.ts";
import type { Serving } from "./one-process.ts";
import type { FromWorker, Question, ToWorker } from "./worker.ts";

const START_MAX_MS = 60_000;
const ANSWER_MAX_MS = 3_000;
// Exponential backoff: the pause before a worker is replaced doubles with each worker that lives
// for less than the longest pause.
const PAUSE_MS = 500;
const PAUSE_MAX_MS = 30_000;

/**
 * Serves with several worker processes on one port. Each has lanes of its own: row locks keep the
 * workers apart, as they do servers on several machines. New connections go to the workers by round
 * robin. A worker that dies is replaced. All get the same files from here.
 *
 * @param config names the database, whose schema is up to date
 * @throws if a worker ends before it listens; it has said why on standard error
 */
export async function serveWithWorkers(
  config: Config & { readonly databaseUrl: string },
  files: ConfigFiles,
  log: Logger,
): Promise<Serving> {
  const environment = {
    DATABASE_URL: config.databaseUrl,
    MIGRATE: "off",
    WORKERS: "1",
    ADMIN_LISTEN: "off",
    LISTEN: addressText(config.listen),
  };
  const stopping = new AbortController();
  const { signal } = stopping;
  const start = () => startWorker(environment, files);

  async function keepOne(first: Life): Promise<void> {
    let pauseMs = 0;
    for (let life = first; ; life = start()) {
      const { code, signal: by, ms } = await life.end;
      if (signal.aborted) return;
      pauseMs = ms > PAUSE_MAX_MS ? PAUSE_MS : Math.min(2 * pauseMs || PAUSE_MS, PAUSE_MAX_MS);
      const ended = { pid: life.worker.process.pid, code, signal: by, pauseMs };
      log.error(ended, "a worker has ended; another follows");
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
    }
  }

  const first = Array.from({ length: config.workers }, start);
  files.onChange((texts) => alive().forEach((worker) => tell(worker, { texts })));
  const ports = await Promise.all(first.map(({ port }) => port)).catch(async (error: unknown) => {
    files.close();
    signalAll("SIGTERM");
    await Promise.all(first.map(({ end }) => end));
    throw error;
  });
  const address = { host: config.listen.host, port: ports[0]! };
  // With port 0, workers that start after all others died would get another port.
  environment.LISTEN = addressText(address);
  const kept = first.map(keepOne);

  return {
    address,
    scrape: () => scrapeAll(alive()),
    isReady: () => isAnyReady(alive()),
    async stop(hurried) {
      stopping.abort();
      files.close();
      signalAll("SIGTERM");
      void hurried.then(() => alive().forEach((worker) => tell(worker, { hurry: true })));
      await Promise.all(kept);
    },
  };
}

/** A worker from its start to its end. */
type Life = {
  readonly worker: Worker;
  /** The port that it listens on; rejects if the worker ends before. */
  readonly port: Promise<number>;
  readonly end: Promise<{ code: number | null; signal: string | null; ms: number }>;
};

/** Starts a worker with the files in force, and kills it if it does not listen in time. */
function startWorker(environment: Record<string, string>, files: ConfigFiles): Life {
  const startedMs = performance.now();
  const worker = cluster.fork(environment);
  tell(worker, { texts: files.inForce() });
  const late = setTimeout(() => worker.process.kill("SIGKILL"), START_MAX_MS);
  const listening = once(worker, "listening") as Promise<[{ port: number }]>;
  const exit = once(worker, "exit") as Promise<[number | null, string | null]>;
  const end = exit.then(([code, signal]) => {
    clearTimeout(late);
    return { code, signal, ms: performance.now() - startedMs };
  });
  const ended = end.then(() => Promise.reject(new Error("a worker ended before it listened")));
  const port = Promise.race([listening.then(([{ port: found }]) => found), ended]);
  port.then(() => clearTimeout(late)).catch(() => {});
  return { worker, port, end };
}

/** Whether any worker answers that it serves. Workers that start, hang or die do not. */
async function isAnyReady(workers: readonly Worker[]): Promise<boolean> {
  const answers = workers.map(async (worker) => {
    if ((await ask(worker, "isReady")) !== true) throw new Error("it does not serve");
  });
  return Promise.any(answers).then(
    () => true,
    () => false,
  );
}

/** The sum of the metrics of all workers that answer. */
async function scrapeAll(workers: readonly Worker[]): Promise<string> {
  const answers = await Promise.all(workers.map((worker) => ask(worker, "metrics")));
  const found = answers.filter((answer) => answer !== undefined);
  return AggregatorRegistry.aggregate(found as object[]).metrics();
}

let questions = 0;

/** @returns undefined if no answer comes in time */
function ask(worker: Worker, question: Question): Promise<unknown> {
  const number = questions++;
  return new Promise((resolve) => {
    const onMessage = ({ answers, answer }: FromWorker) => {
      if (answers === number) done(answer);
    };
    const done = (answer?: unknown) => {
      clearTimeout(timer);
      worker.off("message", onMessage);
      resolve(answer);
    };
    const timer = setTimeout(done, ANSWER_MAX_MS);
    worker.on("message", onMessage);
    tell(worker, { asks: question, number });
  });
}

/** Sends a message, which may not arrive: the worker may be dying. */
function tell(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {});
}

function alive(): Worker[] {
  return Object.values(cluster.workers ?? {}).flatMap((worker) => worker ?? []);
}

function signalAll(signal: NodeJS.Signals): void {
  for (const worker of alive()) worker.process.kill(signal);
}
