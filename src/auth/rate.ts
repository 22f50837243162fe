/** Counts what callers do, each by their name. */
export type Rate = {
  /**
   * Counts one operation, if the caller has one left.
   *
   * @returns in how many milliseconds to try again; 0: it is counted
   */
  take(name: string): number;
  /** Counts operations that were let in already: what comes after them waits the longer. */
  add(name: string, operations: number): void;
};

/** For whom nobody is counted. */
export const NO_RATE: Rate = { take: () => 0, add: () => {} };

const NAMES_MAX = 10_000;

type Bucket = { left: number; atMs: number };

/**
 * Lets each caller do so many operations a second, and as many at once after a quiet second.
 *
 * @param clockMs for tests
 */
export function createRate(
  perSecond: number,
  clockMs: () => number = () => performance.now(),
): Rate {
  const buckets = new Map<string, Bucket>();

  function bucketOf(name: string): Bucket {
    const known = buckets.get(name);
    if (known !== undefined) return known;
    const bucket = { left: perSecond, atMs: clockMs() };
    buckets.set(name, bucket);
    // The oldest starts anew: names are as many as issuers of JWTs care to make.
    if (buckets.size > NAMES_MAX) {
      const [oldest] = buckets.keys();
      if (oldest !== undefined) buckets.delete(oldest);
    }
    return bucket;
  }

  return {
    take(name) {
      const bucket = bucketOf(name);
      const nowMs = clockMs();
      const refilled = bucket.left + ((nowMs - bucket.atMs) * perSecond) / 1_000;
      bucket.left = Math.min(perSecond, refilled);
      bucket.atMs = nowMs;
      if (bucket.left < 1) return Math.ceil(((1 - bucket.left) * 1_000) / perSecond);
      bucket.left -= 1;
      return 0;
    },
    add(name, operations) {
      bucketOf(name).left -= operations;
    },
  };
}
