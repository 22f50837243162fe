import { performance } from "node:perf_hooks";

/** So many microseconds of wall clock, from and up to a moment of `performance.now()`. */
export type Span = { readonly from: bigint; readonly upTo: bigint };

/**
 * What is known of the database's clock: how it stood while a call was under way. Moments are
 * milliseconds of `performance.now()`, instants microseconds since 1970.
 */
export type Clock = {
  /** Between which two instants the database's clock stood from one moment to another. */
  span(start: number, end: number): Span;
  /** About what it says now. */
  now(): bigint;
  /** Whether it was not set from a moment on; without one: never. */
  isSteady(since?: number): boolean;
  /** Notes a change that is about to be made; the result says that it was made. */
  change(next: Reading): () => void;
};

/** The database's clock against the machine's: ahead by so many microseconds, or standing still. */
export type Reading = { readonly ahead: bigint } | { readonly still: bigint };

type Segment = { readonly from: number; upTo: number; readonly reading: Reading };

/**
 * A clock that is the machine's own, until changes are noted.
 *
 * @param toleranceMs by how much the database's machine may differ from this one
 */
export function clockOf(toleranceMs: number): Clock {
  // A change counts as made from when it is sent on, the reading before it until it is answered.
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

/** By how many milliseconds the machine's clock has been set since this process began. */
function stepped(): number {
  for (;;) {
    const before = performance.now();
    const step = Date.now() - (performance.timeOrigin + before);
    // Whoever was put to sleep between the two clocks would take that for a step.
    if (performance.now() - before < READING_MS) return step;
  }
}
