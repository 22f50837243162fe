/** Token bucket: limits how many operations a second each caller does, by the caller's name. */
export type RateLimiter = {
  /**
   * Counts one operation, if the caller's bucket has one left.
   *
   * @returns in how many milliseconds to try again; 0: the operation is counted
   */
  take(name: string): number;
  /** Counts operations that were let in already, so the caller's next operations wait longer. */
  add(name: string, operations: number): void;
};

/** Counts nobody. */
export const UNLIMITED: RateLimiter = { take: () => 0, add: () => {} };

const NAMES_MAX = 10_000;

type Bucket = { left: number; atMs: number };

/**
 * Makes token buckets that hold, and are refilled by, `perSecond` operations: after a quiet second
 * a caller may do a second's worth at once.
 *
 * @param clockMs for tests
 */
export function createRateLimiter(
  perSecond: number,
  clockMs: () => number = () => performance.now(),
): RateLimiter {
  const buckets = new Map<string, Bucket>();

  function bucketOf(name: string): Bucket {
    const known = buckets.get(name);
    if (known !== undefined) return known;
    const bucket = { left: perSecond, atMs: clockMs() };
    buckets.set(name, bucket);
    // An issuer of JWTs can make any number of names. The oldest one starts with a new bucket.
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
