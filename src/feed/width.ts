// How many feed numbers are read at once: PostgreSQL's index knows whether 1 MB of the table has some of
// them, so that a wide range with few entries costs as much as a narrow one.

/** How many to begin with. */
export const FIRST_WIDTH = 64n;

/** Behind all feed numbers. */
export const FEED_END = 2n ** 63n - 1n;

/** The end of a range, which a limit may cut. */
export function endOfRange(from: bigint, width: bigint, limit: bigint): bigint {
  return from + width < limit ? from + width : limit;
}

/** What a reader's ranges should be like. */
export type Wanted = {
  /** How many entries a range has. */
  readonly entries: number;
  /** How many times as wide the next one is where a range has none. */
  readonly ifNone: bigint;
};

/** The width after a range of a width, in which this many entries were. */
export function nextWidth(width: bigint, count: number, { entries, ifNone }: Wanted): bigint {
  if (count >= entries) return width / 2n || 1n;
  if (count >= entries / 2) return width;
  const wider = width * (count === 0 ? ifNone : 2n);
  return wider < FEED_END ? wider : FEED_END;
}

/** The width of another try at a range that has too many. */
export function narrowed(width: bigint): bigint {
  return width / 4n || 1n;
}
