import { min } from "./account.ts";
import type { Draft } from "./journal.ts";
import type { Allocation } from "./lot.ts";

/**
 * What was revoked of a lot. What the lot did not have then stays a claim on it: until that is met, it
 * takes whatever comes back to the lot, before anything else does. So a lot with an open claim has
 * nothing remaining.
 */
export type Revocation = {
  /** The points that were revoked, whether or not they were given back since; at most the lot's. */
  readonly revoked: bigint;
  /** The points of them that the lot has not given yet. */
  readonly claimed: bigint;
};

/** Revocations by the number of their lot; missing: none. */
export type Revocations = ReadonlyMap<bigint, Revocation>;

/** What was revoked of a lot. */
export function revocationOf(revoked: Revocations, lot: bigint): Revocation {
  return revoked.get(lot) ?? NOTHING_REVOKED;
}

const NOTHING_REVOKED: Revocation = { revoked: 0n, claimed: 0n };

/** The points of a lot that a claim waits for. */
export function claimOn(revoked: Revocations, lot: bigint): bigint {
  return revocationOf(revoked, lot).claimed;
}

/** The number of lots with an open claim. */
export function countClaims(revoked: Revocations): number {
  let count = 0;
  for (const { claimed } of revoked.values()) if (claimed > 0n) count += 1;
  return count;
}

/** How many of the points that come back to a lot its claim takes. */
export function claimedOf(revoked: Revocations, { lot, points }: Allocation): bigint {
  return min(claimOn(revoked, lot), points);
}

/** The claim after it took points from its lot. */
export function afterTaking(revocation: Revocation, points: bigint): Revocation {
  return { ...revocation, claimed: revocation.claimed - points };
}

/** The entry by which a claim takes what came back to its lot. The ledger books it by itself. */
export function claimEntry(part: Allocation): Draft {
  const { lot, points } = part;
  return { kind: "revoke", points, allocations: [part], refersTo: lot, fromClaim: true };
}
