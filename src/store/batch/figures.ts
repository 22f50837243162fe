import type { Figures } from "../../ledger/account.ts";

/** The columns for an account's figures in the tables `account` and `entry`. */
export type FigureRow = {
  balance: string;
  frozen: string;
  total_recharged: string;
  total_consumed: string;
  total_expired: string;
  total_refunded: string;
};

/** Converts a row to figures. */
export function toFigures(row: FigureRow): Figures {
  return {
    balance: BigInt(row.balance),
    frozen: BigInt(row.frozen),
    totalRecharged: BigInt(row.total_recharged),
    totalConsumed: BigInt(row.total_consumed),
    totalExpired: BigInt(row.total_expired),
    totalRefunded: BigInt(row.total_refunded),
  };
}
