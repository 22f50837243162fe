import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Latency } from "./samples.ts";

/** What calls a load makes: of a server, or of the SQL function of the baseline. */
export type LoadKind =
  "noop" | "consume" | "mix" | "batch" | "stream" | "client" | "batching" | "function";

/** A set of accounts, `prefix` and seven digits from 1, and how calls are spread over them. */
export type Spread = {
  /** Five characters. */
  readonly prefix: string;
  readonly accounts: number;
  /** Zipf: the nth account is called 1/n times as often as the first. */
  readonly by: "evenly" | "zipf";
};

/** A load: so many calls are always under way, until the time is over. */
export type Job = {
  readonly kind: LoadKind;
  /** Of the server, `http://host:port`, or of the database. */
  readonly url: string;
  readonly inFlight: number;
  /** How many connections at least; more are made where the server admits too few calls on one. */
  readonly connections: number;
  readonly spread: Spread;
  readonly warmSeconds: number;
  readonly seconds: number;
  /** Six characters that no other load on this database has: its request ids begin with them. */
  readonly nonce: string;
};

/** What came of it. */
export type LoadResult = {
  /** Operations that were answered OK, from the first to the last. */
  readonly answered: number;
  /** How many of them made an entry. */
  readonly entries: number;
  /** Operations that were not, by gRPC status; "broken" where there was none. */
  readonly refused: Readonly<Record<string, number>>;
  /** In the time that counts: operations answered, and what the load itself cost. */
  readonly operations: number;
  readonly seconds: number;
  readonly cpuMicros: number;
  /** Of a call; of ApplyBatch this is a whole batch. */
  readonly latency: Latency;
};

export type LoadMessage =
  { readonly at: "start" | "end" } | { readonly at: "over"; readonly result: LoadResult };

/**
 * Runs a load in a process of its own.
 *
 * @param onEdge called when the time that counts starts, and when it ends
 * @throws if the process fails
 */
export async function runLoad(
  job: Job,
  onEdge: (at: "start" | "end") => void,
): Promise<LoadResult> {
  const script = join(import.meta.dirname, "process.ts");
  const child = fork(script, [JSON.stringify(job)], { serialization: "advanced" });
  running.add(child);
  const result = Promise.withResolvers<LoadResult>();
  child.on("message", (message: LoadMessage) => {
    if (message.at === "over") result.resolve(message.result);
    else onEdge(message.at);
  });
  child.once("error", result.reject);
  child.once("exit", (code) => result.reject(new Error(`the load ended early, with ${code}`)));
  try {
    return await result.promise;
  } finally {
    running.delete(child);
    child.kill();
  }
}

/** Ends those that are running: their `runLoad` throws. */
export function stopLoads(): void {
  for (const child of running) child.kill();
}

const running = new Set<ChildProcess>();
