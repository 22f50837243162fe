import { type Account, hasRoom } from "./account.ts";
import { claimOn } from "./claim.ts";
import { compareBurnOrder, isDue, isScoped, type LotSums, sumLots } from "./lot.ts";
import type { AccountState } from "./state.ts";

/** The part of a state that the invariants are about. */
type Audited = Pick<AccountState, "account" | "lots" | "otherLots" | "revoked">;

/**
 * Asserts the invariants of an account, after loading and before saving. Where one fails there is a
 * bug, or another program wrote to the tables, and nothing may be built on this account.
 *
 * @throws an Error that names the account and the first invariant that fails
 */
export function assertSound(state: Audited): void {
  const held = sumLots(state.lots, state.otherLots);
  for (const { name, holds } of INVARIANTS) {
    if (holds(state.account, held, state)) continue;
    throw new Error(`account ${state.account.userId} breaks an invariant: ${name}`);
  }
}

type Invariant = {
  readonly name: string;
  readonly holds: (account: Account, held: LotSums, state: Audited) => boolean;
};

const INVARIANTS: readonly Invariant[] = [
  {
    name: "balance + frozen + total_consumed + total_expired + total_revoked = total_recharged + total_refunded + debt",
    holds: ({ balance, frozen, totalConsumed, totalExpired, totalRevoked, ...others }) =>
      balance + frozen + totalConsumed + totalExpired + totalRevoked ===
      others.totalRecharged + others.totalRefunded + others.debt,
  },
  {
    name: "balance = the sum of remaining of all lots",
    holds: ({ balance }, { remaining }) => balance === remaining,
  },
  {
    name: "frozen = the sum of frozen of all lots",
    holds: (account, { frozen }) => account.frozen === frozen,
  },
  { name: "balance >= 0", holds: ({ balance }) => balance >= 0n },
  { name: "frozen >= 0", holds: ({ frozen }) => frozen >= 0n },
  { name: "total_consumed >= 0", holds: ({ totalConsumed }) => totalConsumed >= 0n },
  { name: "total_expired >= 0", holds: ({ totalExpired }) => totalExpired >= 0n },
  { name: "total_refunded >= 0", holds: ({ totalRefunded }) => totalRefunded >= 0n },
  { name: "total_revoked >= 0", holds: ({ totalRevoked }) => totalRevoked >= 0n },
  { name: "debt >= 0", holds: ({ debt }) => debt >= 0n },
  {
    name: "a debtor has no points but those that are to expire, or that some services alone may take",
    holds: ({ debt, updateTime }, _, { lots }) =>
      debt === 0n ||
      lots.every((lot) => lot.remaining === 0n || isDue(lot, updateTime) || isScoped(lot)),
  },
  {
    name: "a lot of which points are claimed has none remaining",
    holds: (_, __, { lots, revoked }) =>
      revoked.size === 0 ||
      lots.every((lot) => lot.remaining === 0n || claimOn(revoked, lot.number) === 0n),
  },
  {
    name: "total_recharged + total_refunded + debt <= 2^53 - 1",
    holds: (account) => hasRoom(account, 0n),
  },
  {
    name: "remaining >= 0 and frozen >= 0 in each lot",
    holds: (_, __, { lots }) =>
      lots.every(({ remaining, frozen }) => remaining >= 0n && frozen >= 0n),
  },
  {
    name: "the lots are in burn order",
    holds: (_, __, { lots }) =>
      lots.every((lot, at) => at === 0 || compareBurnOrder(lots[at - 1]!, lot) < 0),
  },
  // The sums of the lots that were not loaded are what the account says of all of them, less what was
  // loaded: they are wrong if the table has a lot more or less, or one with other points.
  {
    name: "remaining of the other lots >= 0",
    holds: (_, __, { otherLots }) => otherLots.remaining >= 0n,
  },
  {
    name: "0 <= what some services alone may take of the other lots <= their remaining",
    holds: (_, __, { otherLots: { scoped, remaining } }) => scoped >= 0n && scoped <= remaining,
  },
  {
    name: "frozen of the other lots >= 0",
    holds: (_, __, { otherLots }) => otherLots.frozen >= 0n,
  },
  {
    name: "the number of the other lots >= 0",
    holds: (_, __, { otherLots }) => otherLots.count >= 0,
  },
  {
    name: "the other lots have nothing if there are none",
    holds: (_, __, { otherLots: { remaining, frozen, count } }) =>
      count > 0 || remaining + frozen === 0n,
  },
];
