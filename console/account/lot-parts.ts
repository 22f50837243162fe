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
