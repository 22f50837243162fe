import type { Figures } from "../../ledger/account.ts";

/** The columns that rows of accounts and of entries have for an account's figures. */
export type FigureRow = {
  balance: string;
  frozen: string;
  total_recharged: string;
  total_consumed: string;
  total_expired: string;
  total_refunded: string;
};

/** The figures that a row holds. */
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
