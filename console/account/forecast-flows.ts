import type { Forecast } from "../../gen/points/v1/points_pb.ts";

type Figures = Pick<Forecast, "balance" | "debt">;

/** What of the points that come is not in the balance after it: they repay debt, or a claim takes them. */
export type Flow = { readonly repaid: bigint; readonly taken: bigint };

/**
 * What the figures of a forecast do not say, from those before each instant.
 *
 * @param now the account's figures before the first instant
 */
export function flowsOf(forecasts: readonly Forecast[], now: Figures): Flow[] {
  return forecasts.map(({ released, granted, expired, balance, debt }, at) => {
    const before = forecasts[at - 1] ?? now;
    const repaid = atLeast0(before.debt - debt);
    const came = released + granted - repaid - expired;
    return { repaid, taken: atLeast0(before.balance + came - balance) };
  });
}

/** The account may have changed since the forecast was made. */
function atLeast0(points: bigint): bigint {
  return points > 0n ? points : 0n;
}
