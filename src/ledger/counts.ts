import type { Micros } from "./time.ts";

/** What was spent in the current window of a limit. */
export type Count = {
  /** The first entry that it counts: holds and entries before were counted in earlier windows. */
  readonly since: bigint;
  /** When the window ends; null: never. */
  readonly until: Micros | null;
  readonly spent: bigint;
};

/**
 * Counts by member, or by "". Versions of them share what they have in common: a charge of one of a
 * thousand members must not copy the counts of all.
 */
export type Counts = {
  readonly base: ReadonlyMap<string, Count>;
  /** What has changed since, newest first. */
  readonly changed: Changed | undefined;
};

type Changed = {
  readonly key: string;
  readonly count: Count;
  readonly before: Changed | undefined;
  /** The number of changes up to this one. */
  readonly size: number;
};

/** Of a limit that has counted nothing. */
export const NO_COUNTS: Counts = { base: new Map(), changed: undefined };

/** So many changes are looked through, and then one copy of the base has them all. */
const CHANGED_MAX = 32;

/** The count of a member. */
export function countOf({ base, changed }: Counts, key: string): Count | undefined {
  let at = changed;
  while (at !== undefined && at.key !== key) at = at.before;
  return at === undefined ? base.get(key) : at.count;
}

/** The counts with one of them changed. */
export function withCount({ base, changed }: Counts, key: string, count: Count): Counts {
  const size = (changed?.size ?? 0) + 1;
  const after = { base, changed: { key, count, before: changed, size } };
  return size < CHANGED_MAX ? after : { base: allCounts(after), changed: undefined };
}

/** All counts, by member. */
export function allCounts({ base, changed }: Counts): ReadonlyMap<string, Count> {
  if (changed === undefined) return base;
  const newestFirst: Changed[] = [];
  for (let at: Changed | undefined = changed; at !== undefined; at = at.before)
    newestFirst.push(at);
  const all = new Map(base);
  for (const { key, count } of newestFirst.toReversed()) all.set(key, count);
  return all;
}
