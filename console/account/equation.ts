import type { Account } from "../../gen/points/v1/account_pb.ts";

/** A figure of an account, by the name that its words have. */
export type Figure = {
  readonly name: Place | Source;
  readonly points: bigint;
};

type Place = "balance" | "frozen" | "consumed" | "expired" | "revoked";
type Source = "recharged" | "refunded" | "debt";

/** One side of the equation: its figures, and what they add up to. */
export type Side = { readonly figures: readonly Figure[]; readonly sum: bigint };

/**
 * Where an account's points are, and where they came from. The sums are equal; both are worked out,
 * so that a person may see it.
 */
export function equationOf(account: Account): { readonly places: Side; readonly sources: Side } {
  return {
    places: sideOf([
      { name: "balance", points: account.balance },
      { name: "frozen", points: account.frozen },
      { name: "consumed", points: account.totalConsumed },
      { name: "expired", points: account.totalExpired },
      { name: "revoked", points: account.totalRevoked },
    ]),
    sources: sideOf([
      { name: "recharged", points: account.totalRecharged },
      { name: "refunded", points: account.totalRefunded },
      { name: "debt", points: account.debt },
    ]),
  };
}

function sideOf(figures: readonly Figure[]): Side {
  return { figures, sum: figures.reduce((sum, { points }) => sum + points, 0n) };
}
