import { setTimeout as sleep } from "node:timers/promises";

/** Work that goes on in the background. */
export type Repeated = {
  /** Ends it, and waits for the work under way. */
  stop(): Promise<void>;
};

/**
 * Does some work at once, and again and again until it is stopped.
 *
 * @param work gives for how many milliseconds to wait before the next time, and never throws. The signal
 *   fires when it is to end
 */
export function repeat(work: (signal: AbortSignal) => Promise<number>): Repeated {
  const stopping = new AbortController();
  const { signal } = stopping;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await sleep(await work(signal), undefined, { signal }).catch(() => {});
    }
  }

  const running = run();
  return {
    stop() {
      stopping.abort();
      return running;
    },
  };
}
