import type { Micros } from "../ledger/time.ts";

/** Whether a standby replays what its primary commits. */
export type ReplayProgress = {
  /** Notes the time of the last commit that a look has found there, and says whether it is a new one. */
  looked(is: Micros): boolean;
  /** Notes a commit that it has to replay. */
  committed(): void;
  /** Whether it lacks more commits than it may. It no longer does once a look finds a new one. */
  isStuck(): boolean;
};

/**
 * Watches a standby's progress by the times of commits. Behind a balancer another look may lead to
 * another standby, which lags more: only a time later than all before is progress.
 *
 * @param missedMax how many commits it may lack
 */
export function replayProgress(missedMax: number): ReplayProgress {
  let newest: Micros | undefined;
  let missed = 0;
  const isStuck = () => missed > missedMax;
  return {
    looked(is) {
      if (newest === undefined || is > newest) {
        newest = is;
        missed = 0;
        return true;
      }
      // The primary's clock may have gone back: what comes after this time is progress, too.
      if (isStuck()) newest = is;
      return false;
    },
    committed() {
      missed += 1;
    },
    isStuck,
  };
}
