import { sql } from "kysely";
import type { Changes } from "../../ledger/batch.ts";
import type { Lot } from "../../ledger/lot.ts";
import {
  bigints,
  type RowKey,
  rowsOf,
  smallints,
  textLists,
  texts,
  tids,
  times,
} from "../driver/columns.ts";
import { NO_LOTS, type PlacedLots, placeLots } from "./placement.ts";
import type { Rows } from "./rows.ts";
import { insertAll, requireRows, type Write } from "./write.ts";

/** The places of lots, by user id. */
export type Places = ReadonlyMap<string, PlacedLots>;

/** Places the open lots of all accounts that are new or changed. */
export function placeAll({ newAccounts, accounts, lots }: Changes, rows: Rows): Places {
  const changed = Map.groupBy(lots, ({ userId }) => userId);
  return new Map(
    [...newAccounts, ...accounts].map(({ userId }) => [
      userId,
      placeLots(rows.lots.get(userId) ?? NO_LOTS, changed.get(userId) ?? []),
    ]),
  );
}

/** Writes the changes of the table of lots: none, if all open lots are in their accounts' rows. */
export function savingLots(places: Places, rows: Rows): readonly (Write | false)[] {
  const { inserted, updated, deleted } = tableLots(places, rows);
  return [
    deleted.length > 0 && deleteLots(deleted),
    updated.length > 0 && updateLots(updated),
    inserted.length > 0 && insertLots(inserted),
  ];
}

function tableLots(places: Places, rows: Rows) {
  const inserted: LotOf[] = [];
  const updated: FoundLotOf[] = [];
  const deleted: FoundKey[] = [];
  for (const [userId, place] of places) {
    const ctidOf = (number: bigint) => rows.lots.get(userId)!.ctids.get(number)!;
    for (const lot of place.inserted) inserted.push({ ...lot, userId });
    for (const lot of place.updated) updated.push({ ...lot, userId, ctid: ctidOf(lot.number) });
    for (const number of place.deleted) deleted.push({ userId, number, ctid: ctidOf(number) });
  }
  return { inserted, updated, deleted };
}

type LotOf = Lot & { readonly userId: string };
type FoundLotOf = LotOf & { readonly ctid: string };
type FoundKey = RowKey & { readonly ctid: string };

function insertLots(lots: readonly LotOf[]): Write {
  const columns = {
    user_id: texts(lots, (lot) => lot.userId),
    number: bigints(lots, (lot) => lot.number),
    points: bigints(lots, (lot) => lot.points),
    remaining: bigints(lots, (lot) => lot.remaining),
    frozen: bigints(lots, (lot) => lot.frozen),
    priority: smallints(lots, (lot) => lot.priority),
    expire_time: times(lots, (lot) => lot.expireTime),
    category: texts(lots, (lot) => lot.category || null),
    services: textLists(lots, (lot) => lot.services),
  };
  return insertAll({ table: "lot", columns, count: lots.length });
}

const LOT_GONE = "a lot of a locked account is gone";

function updateLots(lots: readonly FoundLotOf[]): Write {
  const update = sql`
    update lot set remaining = new.remaining, frozen = new.frozen
    from ${rowsOf({
      ...lotKeys(lots),
      remaining: bigints(lots, (lot) => lot.remaining),
      frozen: bigints(lots, (lot) => lot.frozen),
    })} as new
    where lot.ctid = new.row and lot.user_id = new.user_id and lot.number = new.number`;
  return requireRows(update, lots.length, LOT_GONE);
}

function deleteLots(lots: readonly FoundKey[]): Write {
  const deletion = sql`
    delete from lot using ${rowsOf(lotKeys(lots))} as old
    where lot.ctid = old.row and lot.user_id = old.user_id and lot.number = old.number`;
  return requireRows(deletion, lots.length, LOT_GONE);
}

function lotKeys(lots: readonly FoundKey[]) {
  return {
    row: tids(lots, ({ ctid }) => ctid),
    user_id: texts(lots, ({ userId }) => userId),
    number: bigints(lots, ({ number }) => number),
  };
}
