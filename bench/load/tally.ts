import { createSamples, latencyOf } from "./samples.ts";
import type { LoadResult } from "./job.ts";

/** Counts the outcomes of all calls of a load, and measures the calls in the time that counts. */
export type Tally = {
  /** Counts a call answered OK. */
  answered(startedAt: number, operations: number, entries: number): void;
  /** Counts operations that were refused or failed. */
  refused(status: number | undefined, operations: number): void;
  start(): void;
  end(): void;
  result(): LoadResult;
};

/** A tally that starts at zero. */
export function createTally(): Tally {
  const samples = createSamples();
  const refused: Record<string, number> = {};
  let answered = 0;
  let entries = 0;
  let operations = 0;
  let isMeasuring = false;
  let startedAt = 0;
  let endedAt = 0;
  let cpu: NodeJS.CpuUsage = { user: 0, system: 0 };
  return {
    answered(callStartedAt, ofCall, made) {
      answered += ofCall;
      entries += made;
      if (!isMeasuring) return;
      operations += ofCall;
      samples.add(performance.now() - callStartedAt);
    },
    refused(status, ofCall) {
      const name = status === undefined ? "broken" : String(status);
      refused[name] = (refused[name] ?? 0) + ofCall;
    },
    start() {
      isMeasuring = true;
      startedAt = performance.now();
      cpu = process.cpuUsage();
    },
    end() {
      isMeasuring = false;
      endedAt = performance.now();
      cpu = process.cpuUsage(cpu);
    },
    result: () => ({
      answered,
      entries,
      refused,
      operations,
      seconds: (endedAt - startedAt) / 1000,
      cpuMicros: cpu.user + cpu.system,
      latency: latencyOf(samples.sorted()),
    }),
  };
}
