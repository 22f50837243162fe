import cluster from "node:cluster";
import type { Registry } from "prom-client";
import { takeTexts, type Texts } from "../config/reload.ts";
import type { Stops } from "./stop-signals.ts";

/** What the process that started a worker tells it. */
export type ToWorker =
  | { readonly texts: Texts }
  /** To stop without a lame duck. */
  | { readonly hurry: true }
  /** A question, and its number. */
  | { readonly asks: Question; readonly number: number };

export type FromWorker = { readonly answers: number; readonly answer: unknown };

/** Whether it would serve now: a boolean. Its metrics: what `getMetricsAsJSON` gives. */
export type Question = "isReady" | "metrics";

/** Whether this process is one of several that serve on one port. */
export const isWorker = cluster.isWorker;

/**
 * Does in a worker what the process that started it says, and resolves when that has handed on the
 * files that it is to serve by.
 */
export async function joinOthers(): Promise<Stops> {
  const requested = Promise.withResolvers<string>();
  const hurried = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  process.on("SIGTERM", (name) => requested.resolve(name));
  // A terminal sends them to all processes; the one that started us decides.
  for (const name of ["SIGINT", "SIGHUP"]) process.on(name, () => {});
  process.on("message", (message: ToWorker) => {
    if ("texts" in message) {
      takeTexts(message.texts);
      begun.resolve();
    } else if ("hurry" in message) {
      hurried.resolve();
    } else if ("asks" in message) {
      void answer(message.asks, message.number);
    }
  });
  await begun.promise;
  return { requested: requested.promise, hurried: hurried.promise };
}

/** Lets the process that started this worker add its metrics to those of the others. */
export function shareMetrics(registry: Registry): void {
  answers.metrics = () => registry.getMetricsAsJSON();
}

/** Has it told, when it asks, whether this worker would serve now. Until then it would not. */
export function shareReadiness(isReady: () => Promise<boolean>): void {
  answers.isReady = isReady;
}

/** Ends what ties a worker to the process that started it, which would keep it alive. */
export function leaveOthers(): void {
  cluster.worker?.disconnect();
}

const answers: Record<Question, () => Promise<unknown>> = {
  isReady: () => Promise.resolve(false),
  metrics: () => Promise.resolve([]),
};

async function answer(question: Question, number: number): Promise<void> {
  const message: FromWorker = { answers: number, answer: await answers[question]() };
  process.send?.(message);
}
