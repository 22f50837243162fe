import { sql } from "kysely";
import { type Lot, NO_SERVICES } from "../../ledger/lot.ts";
import type { LotRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";

/** A lot of the table with the ctid of its row. */
export type FoundLot = { readonly userId: string; readonly lot: Lot; readonly ctid: string };

/** A row of LOT_COLUMNS. */
export type FoundLotRow = LotRow & { readonly ctid: string };

/** What `toFoundLot` reads. */
export const LOT_COLUMNS = sql.raw(
  "lot.ctid, user_id, number, points, remaining, frozen, priority, expire_time, category, services",
);

/** The order of `compareBurnOrder`. */
export const BURN_ORDER = sql.raw(
  "priority, services is null, coalesce(expire_time, 'infinity'), number",
);

/** Converts a row of the table to a lot. */
export function toFoundLot(row: FoundLotRow): FoundLot {
  return { userId: row.user_id, lot: toLot(row), ctid: row.ctid };
}

/** Converts a row to a lot. */
export function toLot(row: LotRow): Lot {
  return {
    number: BigInt(row.number),
    points: BigInt(row.points),
    remaining: BigInt(row.remaining),
    frozen: BigInt(row.frozen),
    priority: row.priority,
    expireTime: row.expire_time === null ? null : fromTimestamptz(row.expire_time),
    category: row.category ?? "",
    services: row.services ?? NO_SERVICES,
  };
}
