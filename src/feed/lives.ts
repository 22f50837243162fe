import type { Micros } from "../ledger/time.ts";

/** A life of the database, which is an epoch: from its beginning, a restore or a promotion on. */
export type Life = {
  readonly epoch: bigint;
  readonly beginTime: Micros;
  /** The place in the WAL up to which it has what the lives before wrote; undefined: not known. */
  readonly forkLsn: bigint | undefined;
};

/** How far the stream of entries had got in the WAL at some time, for good. */
export type Mark = {
  /** The life in which that was seen. */
  readonly epoch: bigint;
  readonly beginTime: Micros;
  /** All entries of lives before, and of this one below this feed number, were committed … */
  readonly feed: bigint;
  /** … before this place in the WAL. */
  readonly lsn: bigint;
};

/**
 * Whether the ledger has all that was there at a mark: each life since has begun at its place in the
 * WAL or behind it. A mark of a life that the ledger does not know, or knows by another time, is of a
 * database that is gone.
 *
 * @param lives all of the ledger's, oldest first
 */
export function isKept(mark: Mark, lives: readonly Life[]): boolean {
  const isSameLife = (one: Life) => one.epoch === mark.epoch && one.beginTime === mark.beginTime;
  const isBehind = (one: Life) => one.forkLsn !== undefined && one.forkLsn >= mark.lsn;
  return lives.some(isSameLife) && lives.every((one) => one.epoch <= mark.epoch || isBehind(one));
}

// Blocks of the WAL of 1 MB, 8 MB, 64 MB, 512 MB, 4 GB and 32 GB.
const BLOCK_BITS = [20n, 23n, 26n, 29n, 32n, 35n];

/**
 * Adds a mark to others, and leaves out most of those that are old: one near the beginning of each
 * of the last two blocks of a size stays. So there is one a little older than any standby's lag,
 * and never more than 13.
 *
 * @param marks newest first
 */
export function withMark(marks: readonly Mark[], newest: Mark): readonly Mark[] {
  const all = [newest, ...marks.filter(({ lsn }) => lsn < newest.lsn)];
  const kept = new Set([newest]);
  for (const bits of BLOCK_BITS) {
    const block = newest.lsn >> bits;
    for (const wanted of [block, block - 1n]) {
      const first = all.findLast(({ lsn }) => lsn >> bits === wanted);
      if (first !== undefined) kept.add(first);
    }
  }
  return all.filter((mark) => kept.has(mark));
}
