import { performance } from "node:perf_hooks";

/** How long calls wait for their answers. */
export type Waits = {
  /** A call about an account begins; the result is to be called when it ends. */
  begin(userId: string): () => void;
  /** Watches calls about all accounts but one; the result ends it: the longest wait in ms. */
  watch(exceptUserId: string): () => number;
};

type Call = { readonly userId: string; readonly start: number };
type Watch = { readonly exceptUserId: string; readonly since: number; longestMs: number };

/** Nobody waits yet. */
export function waitsOfCalls(): Waits {
  const underWay = new Set<Call>();
  const watches = new Set<Watch>();

  function note(watch: Watch, { userId, start }: Call): void {
    if (userId === watch.exceptUserId) return;
    const waitedMs = performance.now() - Math.max(start, watch.since);
    watch.longestMs = Math.max(watch.longestMs, waitedMs);
  }

  return {
    begin(userId) {
      const call = { userId, start: performance.now() };
      underWay.add(call);
      return () => {
        underWay.delete(call);
        for (const watch of watches) note(watch, call);
      };
    },
    watch(exceptUserId) {
      const watch = { exceptUserId, since: performance.now(), longestMs: 0 };
      watches.add(watch);
      return () => {
        watches.delete(watch);
        // Who still waits counts as well.
        for (const call of underWay) note(watch, call);
        return watch.longestMs;
      };
    },
  };
}
