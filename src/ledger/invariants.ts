import { type Account, hasRoom } from "./account.ts";
import { type Lot, type LotSums, sumLots } from "./lot.ts";
import type { AccountState } from "./state.ts";

/** The part of a state that the invariants are about. */
type Audited = Pick<AccountState, "account" | "lots" | "otherLots">;

/**
 * Asserts the invariants of an account, after loading and before saving. Where one fails there is a
 * bug, or another program wrote to the tables, and nothing may be built on this account.
 *
 * @throws an Error that names the account and the first invariant that fails
 */
export function assertSound({ account, lots, otherLots }: Audited): void {
  const held = sumLots(lots, otherLots);
  for (const [name, holds] of INVARIANTS) {
    if (holds(account, held, lots)) continue;
    throw new Error(`account ${account.userId} breaks an invariant: ${name}`);
  }
}

type Invariant = readonly [
  name: string,
  holds: (account: Account, held: LotSums, lots: readonly Lot[]) => boolean,
];

const INVARIANTS: readonly Invariant[] = [
  [
    "balance + frozen + total_consumed + total_expired = total_recharged + total_refunded",
    ({ balance, frozen, totalConsumed, totalExpired, totalRecharged, totalRefunded }) =>
      balance + frozen + totalConsumed + totalExpired === totalRecharged + totalRefunded,
  ],
  ["balance = the sum of remaining of all lots", ({ balance }, held) => balance === held.remaining],
  ["frozen = the sum of frozen of all lots", ({ frozen }, held) => frozen === held.frozen],
  ["balance >= 0", ({ balance }) => balance >= 0n],
  ["frozen >= 0", ({ frozen }) => frozen >= 0n],
  ["total_consumed >= 0", ({ totalConsumed }) => totalConsumed >= 0n],
  ["total_expired >= 0", ({ totalExpired }) => totalExpired >= 0n],
  ["total_refunded >= 0", ({ totalRefunded }) => totalRefunded >= 0n],
  ["total_recharged + total_refunded <= 2^53 - 1", (account) => hasRoom(account, 0n)],
  ["remaining >= 0 in each lot", (_, __, lots) => lots.every(({ remaining }) => remaining >= 0n)],
  ["frozen >= 0 in each lot", (_, __, lots) => lots.every(({ frozen }) => frozen >= 0n)],
];
