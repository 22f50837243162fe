import type { Account } from "../../ledger/account.ts";
import type { AccountRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import { toFigures } from "./figures.ts";
import { unpackLots } from "./packed-lots.ts";
import type { AccountPlace, Rows } from "./rows.ts";

/** Accounts by user id. */
export type Accounts = ReadonlyMap<string, Account>;

/** Accounts that exist, and their rows. */
export type LockedAccounts = { readonly accounts: Accounts; readonly rows: Rows["accounts"] };

/** A row with its ctid: where the row is until an update moves it. */
type FoundRow = AccountRow & { readonly ctid: string };

/** Converts rows to accounts, and to what the rows have beside them. */
export function toAccounts(rows: readonly FoundRow[]): LockedAccounts {
  return {
    accounts: new Map(rows.map((row) => [row.user_id, toAccount(row)])),
    rows: new Map(rows.map((row) => [row.user_id, toPlace(row)])),
  };
}

/** Converts a row to an account. */
export function toAccount(row: AccountRow): Account {
  return {
    userId: row.user_id,
    sequence: BigInt(row.sequence),
    ...toFigures(row),
    hash: row.hash,
    salt: row.salt,
    createTime: fromTimestamptz(row.create_time),
    updateTime: fromTimestamptz(row.update_time),
  };
}

function toPlace(row: FoundRow): AccountPlace {
  return {
    ctid: row.ctid,
    dueTime: row.due_time === null ? null : fromTimestamptz(row.due_time),
    openHolds: row.open_holds,
    openClaims: row.open_claims,
    policies: row.policies,
    repaidUntil: row.repaid_until === null ? null : fromTimestamptz(row.repaid_until),
    owes: row.debt !== "0",
    feed: { epoch: BigInt(row.feed_epoch), feed: BigInt(row.feed) },
    lots: unpackLots(row.lots),
    beyond: {
      remaining: BigInt(row.beyond_remaining),
      frozen: BigInt(row.beyond_frozen),
      count: row.lots_beyond,
      scoped: BigInt(row.beyond_scoped),
    },
  };
}
