import { performance } from "node:perf_hooks";
import type { Asked, History } from "./history.ts";

/**
 * When servers may have shown what a promotion then took back: whoever reads, or is refused, is not
 * promised that what was seen stays. Moments are milliseconds of `performance.now()`.
 */
export type Doubts = {
  /** From now on, until the result is called. */
  begin(): () => void;
  /** Whether there was none from one moment to another. */
  isSure(start: number, end: number): boolean;
};

/** There are none yet. */
export function noDoubts(): Doubts {
  const spans: { readonly from: number; upTo: number }[] = [];
  return {
    begin() {
      const span = { from: performance.now(), upTo: Infinity };
      spans.push(span);
      return () => void (span.upTo = performance.now());
    },
    isSure: (start, end) => spans.every(({ from, upTo }) => end < from || start > upTo),
  };
}

/** A history without what was only seen in doubt. What was acknowledged stays. */
export function withoutDoubts(history: History, { isSure }: Doubts): History {
  return {
    ...history,
    asked: history.asked.map((asked) => ({
      ...asked,
      attempts: asked.attempts.map((attempt) =>
        isOnlySeen(asked, attempt) && !isSure(attempt.start, attempt.end)
          ? { ...attempt, outcome: { kind: "notApplied", reason: "seen in doubt" } as const }
          : attempt,
      ),
    })),
    opened: history.opened.filter(({ start, end, created, account }) => {
      // That there is an account was promised to who made it, and to who finds it empty.
      return created || account.sequence === 0n || isSure(start, end);
    }),
  };
}

/** Refusals, and operations that had nothing to do and left no trace. */
function isOnlySeen({ operation }: Asked, { outcome }: Asked["attempts"][number]): boolean {
  if (outcome?.kind === "refused") return true;
  const { requestId } = operation.value;
  return outcome?.kind === "applied" && outcome.entry === undefined && requestId === "";
}
