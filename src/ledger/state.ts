import { type Account, hasRoom } from "./account.ts";
import { MAX_OPEN_HOLDS, MAX_OPEN_LOTS } from "./command.ts";
import type { Entry } from "./entry.ts";
import type { Hold } from "./hold.ts";
import { isOpen, type Lot, type LotSums, sumLots } from "./lot.ts";
import { NO_RECEIPT, type ReceiptLink } from "./receipt.ts";
import type { Rejection } from "./rejection.ts";

/** All of an account that a command may read or change. */
export type AccountState = {
  readonly account: Account;
  /**
   * The lots that commands may reach, open or closed, in burn order: those that burn first, for as
   * many points as commands may take, those that are due, and those that a command names.
   */
  readonly lots: readonly Lot[];
  /** What the open lots hold that are not among `lots`, and how many they are. */
  readonly otherLots: LotSums & { readonly count: number };
  /** Of the holds that are due those of the earliest, and those that a command names. */
  readonly holds: readonly Hold[];
  /** How many open holds there are that are not among `holds`; known where a command freezes. */
  readonly otherHolds: number;
  /** The entries that commands name to refund them, by sequence. */
  readonly entries: ReadonlyMap<bigint, Entry>;
  /** The entries made since then, newest first. */
  readonly recent: Recent | undefined;
  /** How much of an entry has been refunded, by sequence; missing: nothing. */
  readonly refunded: ReadonlyMap<bigint, bigint>;
  /** The account's last receipt; known where a command may get one. */
  readonly lastReceipt: ReceiptLink;
};

/** A list that grows at its head and shares its tail: a state can be kept, and goes on. */
export type Recent = { readonly entry: Entry; readonly before: Recent | undefined };

/** The state of an account that is nothing but its row. */
export function bareState(account: Account): AccountState {
  return { ...NOTHING_ELSE, account };
}

const NOTHING_ELSE: Omit<AccountState, "account"> = {
  lots: [],
  otherLots: { remaining: 0n, frozen: 0n, count: 0 },
  holds: [],
  otherHolds: 0,
  entries: new Map(),
  recent: undefined,
  refunded: new Map(),
  lastReceipt: NO_RECEIPT,
};

/** The refusal of so many more open lots, if they are too many. */
export function lotsFull({ lots, otherLots }: AccountState, more: number): Rejection | undefined {
  const open = otherLots.count + lots.filter(isOpen).length;
  if (open + more <= MAX_OPEN_LOTS) return undefined;
  return { reason: "ACCOUNT_FULL", full: "lots", limit: MAX_OPEN_LOTS };
}

/** The refusal of one more open hold, if it is one too many. */
export function holdsFull({ holds, otherHolds }: AccountState): Rejection | undefined {
  const open = otherHolds + holds.filter(({ status }) => status === "open").length;
  if (open < MAX_OPEN_HOLDS) return undefined;
  return { reason: "ACCOUNT_FULL", full: "holds", limit: MAX_OPEN_HOLDS };
}

/**
 * Throws if an equation of the ledger does not hold: then there is a bug, or somebody else wrote
 * to the tables, and nothing may be built on this account. Called after loading and before saving.
 */
export function assertSound({
  account,
  lots,
  otherLots,
}: Pick<AccountState, "account" | "lots" | "otherLots">): void {
  const { balance, frozen, totalRecharged, totalConsumed, totalExpired, totalRefunded } = account;
  const sums = sumLots(lots);
  const sound =
    balance + frozen + totalConsumed + totalExpired === totalRecharged + totalRefunded &&
    balance === sums.remaining + otherLots.remaining &&
    frozen === sums.frozen + otherLots.frozen &&
    balance >= 0n &&
    frozen >= 0n &&
    totalConsumed >= 0n &&
    totalExpired >= 0n &&
    totalRefunded >= 0n &&
    hasRoom(account, 0n) &&
    lots.every((lot) => lot.remaining >= 0n && lot.frozen >= 0n);
  if (!sound) throw new Error(`the equations of account ${account.userId} do not hold`);
}
