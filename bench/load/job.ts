import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Latency } from "./samples.ts";

/** What calls a load makes: of a server, or of the SQL function of the baseline. */
export type LoadKind =
  "noop" | "consume" | "mix" | "batch" | "stream" | "client" | "batching" | "function";

/** A set of accounts (`prefix` and seven digits from 1), and the distribution of calls over them. */
export type Spread = {
  /** Five characters. */
  readonly prefix: string;
  readonly accounts: number;
  /** Zipf: the nth account is called 1/n times as often as the first. */
  readonly by: "evenly" | "zipf";
  /** How many members spend of each account, in turn at random; left out: nobody is said to. */
  readonly members?: number;
  /** Keys of metadata that each Consume has, each with a value of its own; left out: none. */
  readonly keys?: readonly string[];
};

/** A closed-loop load: a constant number of calls is under way until the time is over. */
export type Job = {
  readonly kind: LoadKind;
  /** The server's URL, `http://host:port`, or the database's. */
  readonly url: string;
  readonly inFlight: number;
  /** The minimum of connections; more are made if the server allows too few calls on each. */
  readonly connections: number;
  readonly spread: Spread;
  readonly warmSeconds: number;
  readonly seconds: number;
  /** Six characters, unique among the loads on this database, with which request ids begin. */
  readonly nonce: string;
};

/** The results of a load. */
export type LoadResult = {
  /** Operations answered OK, including warm-up and end. */
  readonly answered: number;
  /** The number of them that made an entry. */
  readonly entries: number;
  /** Operations that failed, by gRPC status; "broken" without a status. */
  readonly refused: Readonly<Record<string, number>>;
  /** In the time that counts: the operations answered, and the load's own cost. */
  readonly operations: number;
  readonly seconds: number;
  readonly cpuMicros: number;
  /** The latency of a call; of a whole batch for ApplyBatch. */
  readonly latency: Latency;
};

export type LoadMessage =
  { readonly at: "start" | "end" } | { readonly at: "over"; readonly result: LoadResult };

/**
 * Runs a load in its own process.
 *
 * @param onEdge called when the time that counts starts, and when it ends
 * @throws an Error if the process fails
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

/** Stops all running loads: their `runLoad` throws. */
export function stopLoads(): void {
  for (const child of running) child.kill();
}

const running = new Set<ChildProcess>();
