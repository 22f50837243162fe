/** Counts what callers do, each by their name. */
export type Rate = {
  /**
   * Counts so many operations, if the caller has any left; a batch may take more than are left, and
   * what comes after it waits the longer.
   *
   * @returns in how many milliseconds to try again; 0: they are counted
   */
  take(name: string, operations?: number): number;
};

/** For whom nobody is counted. */
export const NO_RATE: Rate = { take: () => 0 };

const NAMES_MAX = 10_000;

type Bucket = { left: number; atMs: number };

/**
 * Lets each caller do so many operations a second, and as many at once after a quiet second.
 *
 * @param clockMs for tests
 */
export function createRate(perSecond: number, clockMs: () => number = () => performance.now()): Rate {
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
    take(name, operations = 1) {
      const bucket = bucketOf(name);
      const nowMs = clockMs();
      const refilled = bucket.left + ((nowMs - bucket.atMs) * perSecond) / 1_000;
      bucket.left = Math.min(perSecond, refilled);
      bucket.atMs = nowMs;
      if (bucket.left < 1) return Math.ceil(((1 - bucket.left) * 1_000) / perSecond);
      bucket.left -= operations;
      return 0;
    },
  };
}
