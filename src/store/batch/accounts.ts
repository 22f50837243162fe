import type { Account } from "../../ledger/account.ts";
import type { AccountRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import { toFigures } from "./figures.ts";
import type { AccountPlace, Rows } from "./rows.ts";

/** Accounts by user id. */
export type Accounts = ReadonlyMap<string, Account>;

/** The locked accounts, those that exist, and their rows. */
export type LockedAccounts = { readonly accounts: Accounts; readonly rows: Rows["accounts"] };

/** Converts a row to an account. */
export function toAccount(row: AccountRow): Account {
  return {
    userId: row.user_id,
    sequence: BigInt(row.sequence),
    ...toFigures(row),
    hash: row.hash,
    createTime: fromTimestamptz(row.create_time),
    updateTime: fromTimestamptz(row.update_time),
  };
}

/** Converts a row to what it has beside the account. */
export function toPlace(row: AccountRow & { ctid: string }): AccountPlace {
  const { ctid, due_time: dueTime, open_holds: openHolds } = row;
  return { ctid, dueTime: dueTime === null ? null : fromTimestamptz(dueTime), openHolds };
}
