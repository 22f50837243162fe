import { performance } from "node:perf_hooks";

/** How long calls wait for their answers. */
export type Waits = {
  /** A call about an account begins; the result is to be called when it ends. */
  begin(userId: string): () => void;
  /**
   * Watches calls about all accounts but one. The result ends it: the longest wait in ms of those
   * that have begun by then, once they have all ended.
   */
  watch(exceptUserId: string): () => Promise<number>;
};

type Call = { readonly since: number; readonly ended: Promise<number> };

/** Nobody waits yet. */
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
