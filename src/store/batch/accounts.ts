import type { Account } from "../../ledger/account.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import { type FigureRow, toFigures } from "./figures.ts";
import type { Rows } from "./rows.ts";

/** Accounts by user id. */
export type Accounts = ReadonlyMap<string, Account>;

/** The locked accounts, those that exist, and their rows. */
export type LockedAccounts = { readonly accounts: Accounts; readonly rows: Rows["accounts"] };

/** A row of the table `account`, as a query outside of the ORM's mapping gives it. */
export type AccountRow = FigureRow & {
  user_id: string;
  sequence: string;
  hash: Uint8Array;
  /** The number of receipts. */
  receipts: number;
  create_time: string;
  update_time: string;
};

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
