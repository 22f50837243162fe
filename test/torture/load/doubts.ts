import { performance } from "node:perf_hooks";
import type { Asked, History } from "./history.ts";

/**
 * Uncertainty windows: times at which a server may have shown state that a promotion then took
 * back. Neither a read nor a refusal promises that its state is durable. Moments are milliseconds
 * of `performance.now()`.
 */
export type Doubts = {
  /** Opens a window; the returned function closes it. */
  begin(): () => void;
  /** Whether no window overlaps the time from `start` to `end`. */
  isSure(start: number, end: number): boolean;
};

/** A record of uncertainty windows, empty at first. */
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

/** Removes reads and refusals of doubtful windows from a history. Acknowledgements stay. */
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
      // An answer that made the account, or found it empty, promises that the account exists.
      return created || account.sequence === 0n || isSure(start, end);
    }),
  };
}

/** Whether the outcome wrote nothing: a refusal, or an unnamed operation with nothing to do. */
function isOnlySeen({ operation }: Asked, { outcome }: Asked["attempts"][number]): boolean {
  if (outcome?.kind === "refused") return true;
  const { requestId } = operation.value;
  return outcome?.kind === "applied" && outcome.entry === undefined && requestId === "";
}
