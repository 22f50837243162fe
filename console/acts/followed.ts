import { type Account, type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { rightAfter } from "../parts/right-after.ts";
import { compareTimes } from "../parts/times.ts";
import type { LotStates } from "./lot-states.ts";

/** What the ledger does by itself right after an entry, because of it. */
export type Followed = {
  readonly what: "claim" | "expiry" | "allowance" | "policy";
  readonly points: bigint;
  /** What of them repays debt. */
  readonly repaid: bigint;
  /** The lot that they are taken from; undefined: several, or none. */
  readonly lot?: bigint | undefined;
  /** The allowance or policy. */
  readonly name?: string;
  /** The entry; undefined: it is not written yet. */
  readonly sequence?: bigint;
};

/**
 * What would follow an entry that gives points back to lots: of each, its claim takes first what comes
 * back, and what is left expires at once if the lot's time is over.
 *
 * @param entry as a preview shows it: what of the points repays debt is not among its allocations
 * @param ended the lot of which the entry ends a claim
 * @param lots as they are before it
 * @returns undefined if a lot of the entry is not known
 */
export function wouldFollow(
  entry: Entry,
  ended: bigint | undefined,
  lots: LotStates,
): readonly Followed[] | undefined {
  const claims: Followed[] = [];
  const expiries: Followed[] = [];
  for (const { lot, points } of lotsOfBefore(entry)) {
    const state = lots.get(lot);
    if (state === undefined) return undefined;
    const claimed = state.claimed - (lot === ended ? entry.uncovered : 0n);
    const taken = claimed < points ? claimed : points;
    const isOver =
      state.expireTime !== undefined && compareTimes(state.expireTime, entry.createTime) <= 0;
    if (taken > 0n) claims.push({ what: "claim", points: taken, repaid: 0n, lot });
    if (isOver && taken < points)
      expiries.push({ what: "expiry", points: points - taken, repaid: 0n, lot });
  }
  return [...claims, ...expiries];
}

/** What an entry gives back to lots that were there before it. */
export function lotsOfBefore({ kind, sequence, allocations }: Entry) {
  if (kind !== EntryKind.REFUND && kind !== EntryKind.RELEASE) return [];
  return allocations.filter(({ lot }) => lot !== sequence);
}

/**
 * What followed an entry.
 *
 * @param entries those of its instant, in any order
 */
export function followedIn(entry: Entry, entries: readonly Entry[]): readonly Followed[] {
  return rightAfter(entry, entries, followedBy);
}

function followedBy(entry: Entry): Followed | undefined {
  const { kind, points, repaid, sequence, allocations } = entry;
  const lot = allocations.length === 1 ? allocations[0]?.lot : undefined;
  switch (kind) {
    case EntryKind.REVOKE:
      return entry.fromClaim ? { what: "claim", points, repaid, sequence, lot } : undefined;
    case EntryKind.EXPIRE:
      return { what: "expiry", points, repaid, sequence, lot };
    case EntryKind.RECHARGE:
      return entry.cause === ""
        ? undefined
        : { what: "allowance", points, repaid, sequence, name: entry.cause };
    case EntryKind.SET_POLICY:
      return { what: "policy", points, repaid, sequence, name: entry.policy?.name ?? "" };
    default:
      return undefined;
  }
}

type Figures = Pick<
  Account,
  "balance" | "debt" | "totalExpired" | "totalRevoked" | "totalRecharged"
>;

/** An account as it is after all that followed, from how the entry itself left it. */
export function afterAll<A extends Figures>(account: A, followed: readonly Followed[]): A {
  const after = { ...account };
  for (const { what, points, repaid } of followed) {
    if (what === "policy") continue;
    if (what === "allowance") {
      after.balance += points - repaid;
      after.debt -= repaid;
      after.totalRecharged += points;
      continue;
    }
    after.balance -= points;
    if (what === "claim") after.totalRevoked += points;
    else after.totalExpired += points;
  }
  return after;
}
