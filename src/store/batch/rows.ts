import type { Lot } from "../../ledger/lot.ts";
import type { Micros } from "../../ledger/time.ts";
import type { FeedPlace } from "./feed.ts";
import type { FoundLots, LotsBeyond } from "./placement.ts";

/** What the row of an account has beside the account. */
export type AccountPlace = {
  readonly ctid: string;
  /** See `dueTimeOf`. */
  readonly dueTime: Micros | null;
  readonly openHolds: number;
  /** The number of lots with an open claim. */
  readonly openClaims: number;
  /** The number of its policies, with the ended ones that still matter. */
  readonly policies: number;
  /** See `AccountState`. */
  readonly repaidUntil: Micros | null;
  /** Whether it has a debt. */
  readonly owes: boolean;
  /** Its last entry's. */
  readonly feed: FeedPlace;
  /** The open lots that the row holds, in burn order. */
  readonly lots: readonly Lot[];
  /** The sums and the number of the open lots in the table. */
  readonly beyond: LotsBeyond;
};

/** The lots of an account that a batch has loaded, and where they are. */
export type LoadedLots = FoundLots & {
  /** The ctids of the lots found in the table, by number. */
  readonly ctids: ReadonlyMap<bigint, string>;
  /** See `OtherLots`. */
  readonly scopedOf: ReadonlyMap<string, bigint>;
};

/**
 * The rows that a batch has found. Their ctids save its updates a search of an index. They stay valid
 * until the transaction ends: only the holder of an account's lock writes the account and its lots,
 * and whatever else moves rows waits for transactions that have read them.
 */
export type Rows = {
  /** By user id. */
  readonly accounts: ReadonlyMap<string, AccountPlace>;
  /** By user id. */
  readonly lots: ReadonlyMap<string, LoadedLots>;
};

/** What rows about entries say: by user id, and of each user by the entry's sequence. */
export function bySequence<Row extends { readonly user_id: string; readonly sequence: string }, T>(
  rows: readonly Row[],
  toValue: (row: Row) => T,
): ReadonlyMap<string, ReadonlyMap<bigint, T>> {
  const byUser = new Map<string, Map<bigint, T>>();
  for (const row of rows) {
    const ofUser = byUser.get(row.user_id) ?? new Map<bigint, T>();
    byUser.set(row.user_id, ofUser.set(BigInt(row.sequence), toValue(row)));
  }
  return byUser;
}
