/** An allocation: some points of a lot. */
export type Part = { readonly lot: bigint; readonly points: bigint };

/** The sum of the points. */
export function totalOf(parts: readonly Part[]): bigint {
  return parts.reduce((sum, { points }) => sum + points, 0n);
}

/** All these parts, each lot once, where it first comes. */
export function together(parts: readonly Part[], others: readonly Part[]): Part[] {
  const points = new Map<bigint, bigint>();
  for (const part of [...parts, ...others]) {
    points.set(part.lot, (points.get(part.lot) ?? 0n) + part.points);
  }
  return Array.from(points, ([lot, sum]) => ({ lot, points: sum }));
}

/** The parts that make up the first `points`, in their order. */
export function firstOf(parts: readonly Part[], points: bigint): Part[] {
  return cut(parts, 0n, points);
}

/** The parts that are left after the first `points`. */
export function withoutFirst(parts: readonly Part[], points: bigint): Part[] {
  return cut(parts, points, totalOf(parts));
}

function cut(parts: readonly Part[], from: bigint, upTo: bigint): Part[] {
  let at = 0n;
  return parts.flatMap(({ lot, points }) => {
    const [start, end] = [at > from ? at : from, at + points < upTo ? at + points : upTo];
    at += points;
    return end > start ? [{ lot, points: end - start }] : [];
  });
}
