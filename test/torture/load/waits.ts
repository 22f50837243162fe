import { performance } from "node:perf_hooks";

/** Latencies: how long calls wait for their answers. */
export type Waits = {
  /** Begins a call about an account; call the returned function when it ends. */
  begin(userId: string): () => void;
  /**
   * Watches calls about all accounts but one. The returned function ends the watch, awaits the calls
   * that began before, and gives their longest wait in ms.
   */
  watch(exceptUserId: string): () => Promise<number>;
};

type Call = { readonly since: number; readonly ended: Promise<number> };

/** Measures calls; none is under way at first. */
export function waitsOfCalls(): Waits {
  const underWay = new Map<Call, string>();
  const watches = new Set<(userId: string, call: Call) => void>();
  return {
    begin(userId) {
      const { promise, resolve } = Promise.withResolvers<number>();
      const call = { since: performance.now(), ended: promise };
      underWay.set(call, userId);
      for (const note of watches) note(userId, call);
      return () => {
        underWay.delete(call);
        resolve(performance.now());
      };
    },
    watch(exceptUserId) {
      const since = performance.now();
      const calls: Call[] = [];
      const note = (userId: string, call: Call) => {
        if (userId !== exceptUserId) calls.push(call);
      };
      for (const [call, userId] of underWay) note(userId, call);
      watches.add(note);
      return async () => {
        watches.delete(note);
        const waits = calls.map(async (call) => (await call.ended) - Math.max(since, call.since));
        return Math.max(0, ...(await Promise.all(waits)));
      };
    },
  };
}

/** Promises of the servers' next answers. */
export type AnswerWaiters = {
  /** Resolves at the next answer of the ledger, from one server or from any. */
  next(server?: number): Promise<void>;
  /** Reports an answer of a server. */
  tell(server: number): void;
};

/** Waiters for answers; none at first. */
export function answerWaiters(): AnswerWaiters {
  let waiting: { server: number | undefined; resolve: () => void }[] = [];
  return {
    next: (server?: number) =>
      new Promise<void>((resolve) => void waiting.push({ server, resolve })),
    tell(server: number) {
      if (waiting.length === 0) return;
      const isFor = (one: { server: number | undefined }) => (one.server ?? server) === server;
      for (const { resolve } of waiting.filter(isFor)) resolve();
      waiting = waiting.filter((one) => !isFor(one));
    },
  };
}
