import type { Account } from "../ledger/account.ts";
import { fromTimestamptz } from "./instant.ts";

/** A row of the table `account`, as a query that the ORM does not map gives it. */
export type AccountRow = {
  user_id: string;
  sequence: string;
  balance: string;
  frozen: string;
  total_recharged: string;
  total_consumed: string;
  total_expired: string;
  total_refunded: string;
  hash: Uint8Array;
  create_time: string;
  update_time: string;
};

/** The account that a row holds. */
export function toAccount(row: AccountRow): Account {
  return {
    userId: row.user_id,
    sequence: BigInt(row.sequence),
    balance: BigInt(row.balance),
    frozen: BigInt(row.frozen),
    totalRecharged: BigInt(row.total_recharged),
    totalConsumed: BigInt(row.total_consumed),
    totalExpired: BigInt(row.total_expired),
    totalRefunded: BigInt(row.total_refunded),
    hash: row.hash,
    createTime: fromTimestamptz(row.create_time),
    updateTime: fromTimestamptz(row.update_time),
  };
}
