import cluster from "node:cluster";
import type { Registry } from "prom-client";
import { takeTexts, type Texts } from "../config/reload.ts";
import type { Stops } from "./stop-signals.ts";

/** A message from the parent, the process that started a worker. */
export type ToWorker =
  /** The files that the worker serves by. */
  | { readonly texts: Texts }
  /** Stop without a lame duck. */
  | { readonly hurry: true }
  /** A question, and its number. */
  | { readonly asks: Question; readonly number: number };

export type FromWorker = { readonly answers: number; readonly answer: unknown };

/** isReady: whether it would serve now, a boolean. metrics: the result of `getMetricsAsJSON`. */
export type Question = "isReady" | "metrics";

/** Whether this process is one of several workers that serve on one port. */
export const isWorker = cluster.isWorker;

/** Obeys the parent, and resolves when it has handed on the files that this worker serves by. */
export async function joinOthers(): Promise<Stops> {
  const requested = Promise.withResolvers<string>();
  const hurried = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  process.on("SIGTERM", (name) => requested.resolve(name));
  // A terminal sends them to all processes; the parent decides.
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

/** Gives the parent this worker's metrics, to add to those of the others. */
export function shareMetrics(registry: Registry): void {
  answers.metrics = () => registry.getMetricsAsJSON();
}

/** Answers the parent whether this worker would serve now. Before this call the answer is no. */
export function shareReadiness(isReady: () => Promise<boolean>): void {
  answers.isReady = isReady;
}

/** Closes the channel to the parent, which would keep this process alive. */
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
