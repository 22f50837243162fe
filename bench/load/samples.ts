/** All measured latencies, in milliseconds. */
export type Samples = { add(ms: number): void; sorted(): Float64Array };

/** Percentiles of latencies, in milliseconds; NaN without calls. */
export type Latency = {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
};

/** Keeps samples in typed arrays, which makes no garbage. */
export function createSamples(): Samples {
  let kept = new Float64Array(1 << 16);
  let count = 0;
  return {
    add(ms) {
      if (count === kept.length) {
        const larger = new Float64Array(2 * kept.length);
        larger.set(kept);
        kept = larger;
      }
      kept[count] = ms;
      count += 1;
    },
    sorted: () => kept.slice(0, count).toSorted(),
  };
}

/** The percentiles for the results. */
export function latencyOf(sorted: Float64Array): Latency {
  return {
    p50Ms: percentile(sorted, 50),
    p99Ms: percentile(sorted, 99),
    p999Ms: percentile(sorted, 99.9),
    maxMs: percentile(sorted, 100),
  };
}

/**
 * The percentile by nearest rank: the smallest sample with at least this share at or below it.
 *
 * @param sorted ascending
 * @param percent more than 0, at most 100
 */
export function percentile(sorted: Float64Array, percent: number): number {
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? Number.NaN;
}
