import type { Figures } from "../../ledger/account.ts";

/** The columns for an account's figures in the tables `account` and `entry`; null: 0. */
export type FigureRow = {
  balance: string;
  frozen: string | null;
  total_recharged: string;
  total_consumed: string;
  total_expired: string | null;
  total_refunded: string | null;
  total_revoked: string | null;
  debt: string | null;
};

/** Converts a row to figures. */
export function toFigures(row: FigureRow): Figures {
  return {
    balance: BigInt(row.balance),
    frozen: BigInt(row.frozen ?? 0),
    totalRecharged: BigInt(row.total_recharged),
    totalConsumed: BigInt(row.total_consumed),
    totalExpired: BigInt(row.total_expired ?? 0),
    totalRefunded: BigInt(row.total_refunded ?? 0),
    totalRevoked: BigInt(row.total_revoked ?? 0),
    debt: BigInt(row.debt ?? 0),
  };
}
