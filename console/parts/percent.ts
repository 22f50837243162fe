/** For pixels alone: how much of the whole a part is, in per cent. */
export function percentOf(part: bigint, whole: bigint): number {
  if (whole <= 0n) return 0;
  const percent = Number((part * 10_000n) / whole) / 100;
  return Math.min(100, Math.max(0, percent));
}
