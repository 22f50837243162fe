import type { Lot } from "../../gen/points/v1/account_pb.ts";

/** What has become of a lot's points. */
export type LotParts = {
  readonly remaining: bigint;
  readonly frozen: bigint;
  /** Consumed, expired or revoked. */
  readonly gone: bigint;
};

export function partsOf({ points, remaining, frozen }: Lot): LotParts {
  return { remaining, frozen, gone: points - remaining - frozen };
}

/** For pixels alone: how much of the whole a part is, in per cent. */
export function percentOf(part: bigint, whole: bigint): number {
  if (whole <= 0n) return 0;
  const percent = Number((part * 10_000n) / whole) / 100;
  return Math.min(100, Math.max(0, percent));
}
