/** An allocation: some points of a lot. */
export type Part = { readonly lot: bigint; readonly points: bigint };

/** The sum of the points. */
export function totalOf(parts: readonly Part[]): bigint {
  return parts.reduce((sum, { points }) => sum + points, 0n);
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
