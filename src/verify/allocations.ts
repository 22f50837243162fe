import type { Allocation } from "../ledger/lot.ts";

/** Adds up points. */
export function sumOf(allocations: readonly Allocation[]): bigint {
  return allocations.reduce((total, part) => total + part.points, 0n);
}

/** Cuts allocations in two: their first `points` points, and the rest. */
export function cut(allocations: readonly Allocation[], points: bigint) {
  const first: Allocation[] = [];
  const rest: Allocation[] = [];
  let left = points;
  for (const { lot, points: all } of allocations) {
    const taken = all < left ? all : left;
    if (taken > 0n) first.push({ lot, points: taken });
    if (taken < all) rest.push({ lot, points: all - taken });
    left -= taken;
  }
  return { first, rest };
}

/** Adds up the points of each lot, lots in the order in which they first come. */
export function merged(allocations: readonly Allocation[]): readonly Allocation[] {
  return [...Map.groupBy(allocations, ({ lot }) => lot)].map(([lot, parts]) => ({
    lot,
    points: sumOf(parts),
  }));
}

/** Whether two lists of allocations are the same, in the same order. */
export function sameAllocations(a: readonly Allocation[], b: readonly Allocation[]): boolean {
  const same = (part: Allocation, index: number) =>
    part.lot === b[index]?.lot && part.points === b[index].points;
  return a.length === b.length && a.every(same);
}

/** The lesser of two numbers of points. */
export function lower(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
