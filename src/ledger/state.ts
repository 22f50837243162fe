import type { Account } from "./account.ts";
import type { Entry } from "./entry.ts";
import { type Hold, isOpenHold, MAX_OPEN_HOLDS } from "./hold.ts";
import type { Revocation } from "./claim.ts";
import { isOpen, type Lot, type LotSums, MAX_OPEN_LOTS } from "./lot.ts";
import type { RefundedEntry } from "./refundable.ts";
import type { PolicyState } from "./policy.ts";
import { NO_RECEIPT, type ReceiptLink } from "./receipt.ts";
import type { Rejection } from "./rejection.ts";
import type { Micros } from "./time.ts";

/** The part of an account that commands may read or change: see `needsOf`. */
export type AccountState = {
  readonly account: Account;
  /**
   * The lots that commands may reach, open or closed, in burn order: the lots that burn first, for
   * all the points that commands may take, the due lots, and the lots that a command names.
   */
  readonly lots: readonly Lot[];
  /** The sums and the number of the open lots that are not among `lots`. */
  readonly otherLots: OtherLots;
  /**
   * The number of a due lot among `lots`: of those that are booked after it, some are not loaded.
   * Undefined: all due lots are loaded.
   */
  readonly lastDueLot: bigint | undefined;
  /** The due holds that expired first, and the holds that a command names. */
  readonly holds: readonly Hold[];
  /** The number of open holds that are not among `holds`. */
  readonly otherHolds: number;
  /** The account's clock, as its row has it: nothing falls due before; null: nothing will. */
  readonly dueTime: Micros | null;
  /** The same of the lots and holds that are not loaded. */
  readonly otherDueTime: Micros | null;
  /** The latest expiry of the lots that repaid debt; LAST_INSTANT: never; null: none did. */
  readonly repaidUntil: Micros | null;
  /** The entries that commands refund, by sequence; without allocations if they cannot be refunded. */
  readonly entries: ReadonlyMap<bigint, RefundedEntry>;
  /** The hashes of the entries that commands compare, by sequence. */
  readonly hashes: ReadonlyMap<bigint, Uint8Array>;
  /** The entries made since the state was loaded, newest first. */
  readonly recent: Recent | undefined;
  /** The points of an entry that have been refunded, by sequence; missing: none. */
  readonly refunded: ReadonlyMap<bigint, bigint>;
  /**
   * What was revoked of lots, by number: of those that a command revokes or refunds a revocation of,
   * and of those with an open claim to which points may come back; missing: nothing, or not loaded.
   */
  readonly revoked: ReadonlyMap<bigint, Revocation>;
  /** The number of lots with an open claim that are not among `revoked`. */
  readonly otherClaims: number;
  /** The account's policies, by name, with the ended ones that still matter. */
  readonly policies: readonly PolicyState[];
  /** The account's last receipt; known where a command may get one. */
  readonly lastReceipt: ReceiptLink;
};

/** Open lots of an account that are known only together. */
export type OtherLots = LotSums & {
  readonly count: number;
  /** What of `remaining` is in lots that only some services may take. */
  readonly scoped: bigint;
  /**
   * What of that a service may take; missing: none. Known of the services that commands name, where
   * not all points that they ask for are surely there.
   */
  readonly scopedOf: ReadonlyMap<string, bigint>;
};

/** A linked list that grows at its head and shares its tail, so that earlier states stay valid. */
export type Recent = { readonly entry: Entry; readonly before: Recent | undefined };

/** The entry with this number, if it was made since the state was loaded. */
export function recentEntry({ recent }: AccountState, sequence: bigint): Entry | undefined {
  let at = recent;
  while (at !== undefined && at.entry.sequence !== sequence) at = at.before;
  return at?.entry;
}

/** The state of an account of which only its own row is loaded. */
export function bareState(account: Account): AccountState {
  return { ...NOTHING_ELSE, account };
}

const NOTHING_ELSE: Omit<AccountState, "account"> = {
  lots: [],
  otherLots: { remaining: 0n, frozen: 0n, count: 0, scoped: 0n, scopedOf: new Map() },
  lastDueLot: undefined,
  holds: [],
  otherHolds: 0,
  dueTime: null,
  otherDueTime: null,
  repaidUntil: null,
  entries: new Map(),
  hashes: new Map(),
  recent: undefined,
  refunded: new Map(),
  revoked: new Map(),
  otherClaims: 0,
  policies: [],
  lastReceipt: NO_RECEIPT,
};

/** Refuses this many more open lots if they would be too many. */
export function lotsFull(state: AccountState, more: number): Rejection | undefined {
  if (countOpenLots(state) + more <= MAX_OPEN_LOTS) return undefined;
  return { reason: "ACCOUNT_FULL", full: "lots", limit: MAX_OPEN_LOTS };
}

/** How many open lots an account has. */
export function countOpenLots({ lots, otherLots }: AccountState): number {
  return otherLots.count + lots.filter(isOpen).length;
}

/** Refuses one more open hold if it would be one too many. */
export function holdsFull({ holds, otherHolds }: AccountState): Rejection | undefined {
  const open = otherHolds + holds.filter(isOpenHold).length;
  if (open < MAX_OPEN_HOLDS) return undefined;
  return { reason: "ACCOUNT_FULL", full: "holds", limit: MAX_OPEN_HOLDS };
}
