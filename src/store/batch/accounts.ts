import type { Account } from "../../ledger/account.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import { type FigureRow, toFigures } from "./figures.ts";

/** A row of the table `account`, as a query that the ORM does not map gives it. */
export type AccountRow = FigureRow & {
  /** Where the row is, if that was asked for. An update moves it. */
  ctid?: string;
  user_id: string;
  sequence: string;
  hash: Uint8Array;
  /** How many receipts the account has. */
  receipts: number;
  create_time: string;
  update_time: string;
};

/** The account that a row holds. */
export function toAccount(row: AccountRow): Account {
  return {
    userId: row.user_id,
    sequence: BigInt(row.sequence),
    ...toFigures(row),
    hash: row.hash,
    createTime: fromTimestamptz(row.create_time),
    updateTime: fromTimestamptz(row.update_time),
    row: row.ctid,
  };
}
