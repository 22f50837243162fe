import { performance } from "node:perf_hooks";

/** Two instants of the database's clock: microseconds since 1970. */
export type Span = { readonly from: bigint; readonly upTo: bigint };

/**
 * Clock bounds: what the database's clock may have read while a call was under way. Moments are
 * milliseconds of `performance.now()`, instants microseconds since 1970.
 */
export type Clock = {
  /** The earliest and latest reading of the database's clock between two moments. */
  span(start: number, end: number): Span;
  /** Its approximate reading now. */
  now(): bigint;
  /** Whether nobody set it since a moment; without a moment: ever. */
  isSteady(since?: number): boolean;
  /** Announces a change; the returned function confirms it. */
  change(next: Reading): () => void;
};

/** The database's clock: microseconds ahead of the machine's, or stopped at an instant. */
export type Reading = { readonly ahead: bigint } | { readonly still: bigint };

type Segment = { readonly from: number; upTo: number; readonly reading: Reading };

/**
 * A clock that follows the machine's clock until a change is announced.
 *
 * @param toleranceMs the clock skew to allow between this machine and the database's
 */
export function clockOf(toleranceMs: number): Clock {
  // A new reading is possible once the change is sent, the old one until the change is answered.
  const segments: Segment[] = [{ from: -Infinity, upTo: Infinity, reading: { ahead: 0n } }];
  const toleranceMicros = BigInt(Math.ceil((toleranceMs + ROUNDING_MS) * 1000));

  function wall(moment: number): bigint {
    return BigInt(Math.round((performance.timeOrigin + moment + stepped()) * 1000));
  }

  function span(start: number, end: number): Span {
    const instants: bigint[] = [];
    for (let at = segments.length - 1; at >= 0 && segments[at]!.upTo >= start; at -= 1) {
      const { from, upTo, reading } = segments[at]!;
      if (from > end) continue;
      if ("still" in reading) instants.push(reading.still);
      else {
        instants.push(wall(Math.max(start, from)) + reading.ahead);
        instants.push(wall(Math.min(end, upTo)) + reading.ahead);
      }
    }
    const sorted = instants.toSorted((a, b) => (a < b ? -1 : 1));
    return { from: sorted[0]! - toleranceMicros, upTo: sorted.at(-1)! + toleranceMicros };
  }

  return {
    span,
    now: () => {
      const { reading } = segments.at(-1)!;
      return "still" in reading ? reading.still : wall(performance.now()) + reading.ahead;
    },
    isSteady: (since = -Infinity) => segments.slice(0, -1).every(({ upTo }) => upTo <= since),
    change(next) {
      const before = segments.at(-1)!;
      segments.push({ from: performance.now(), upTo: Infinity, reading: next });
      return () => (before.upTo = performance.now());
    },
  };
}

const ROUNDING_MS = 2;
const READING_MS = 0.5;

/** The clock step in ms: how far the machine's clock was set since this process began. */
function stepped(): number {
  for (;;) {
    const before = performance.now();
    const step = Date.now() - (performance.timeOrigin + before);
    // The scheduler may pause the process between the two readings; that would look like a step.
    if (performance.now() - before < READING_MS) return step;
  }
}
