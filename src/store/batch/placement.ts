import {
  compareBurnOrder,
  isOpen,
  isScoped,
  type Lot,
  type LotSums,
  sumLots,
} from "../../ledger/lot.ts";
import { packedBytesOf } from "./packed-lots.ts";

/** The most lots that an account's row holds, and the most bytes that they may take. */
export const ROW_MAX_LOTS = 16;
export const ROW_MAX_BYTES = 2_048;

/** The sums and the number of open lots in the table. */
export type LotsBeyond = LotSums & {
  readonly count: number;
  /** What of `remaining` is in lots that only some services may take. */
  readonly scoped: bigint;
};

/** The open lots of an account, by where they were found. */
export type FoundLots = {
  /** The lots in its row, in burn order. */
  readonly row: readonly Lot[];
  /** The loaded lots of the table. */
  readonly table: readonly Lot[];
  /** The other lots of the table. */
  readonly beyond: LotsBeyond;
  /**
   * Every spendable lot of the table that was not loaded burns after this one; undefined: nothing is
   * known of their order.
   */
  readonly frontier: Lot | undefined;
};

/** Where an account's open lots are to be. */
export type PlacedLots = {
  /** In burn order. */
  readonly row: readonly Lot[];
  readonly inserted: readonly Lot[];
  readonly updated: readonly Lot[];
  /** The numbers of the lots that leave the table. */
  readonly deleted: readonly bigint[];
  /** All lots of the table. */
  readonly beyond: LotsBeyond;
};

/** The lots of a new account. */
export const NO_LOTS: FoundLots = {
  row: [],
  table: [],
  beyond: { remaining: 0n, frozen: 0n, count: 0, scoped: 0n },
  frontier: undefined,
};

/**
 * Places an account's open lots after a batch: in its row those that burn first, at most
 * `ROW_MAX_LOTS` of `ROW_MAX_BYTES`, and the others in the table. Every spendable lot in the row
 * burns before every spendable lot in the table, so that a charge reads the table only if it needs
 * more than the row has. A lot of which everything is frozen stays in the row while there is room. A
 * closed lot is nowhere.
 *
 * @param changed the lots that the batch made, changed or made again from their entries
 */
export function placeLots(found: FoundLots, changed: readonly Lot[]): PlacedLots {
  const stays = rowThatStays(found, changed);
  if (stays !== undefined) return { ...UNTOUCHED, row: stays, beyond: found.beyond };
  const open = openLots(found, changed);
  const row = rowOf(found, open);
  const { table, beyond } = found;
  if (table.length === 0 && row.length === open.length) return { ...UNTOUCHED, row, beyond };
  const inRow = new Set(row);
  const rest = open.filter((lot) => !inRow.has(lot));
  const restByNumber = new Map(rest.map((lot) => [lot.number, lot]));
  const inTable = new Map(table.map((lot) => [lot.number, lot]));
  return {
    row,
    inserted: rest.filter(({ number }) => !inTable.has(number)),
    updated: rest.filter((lot) => inTable.has(lot.number) && inTable.get(lot.number) !== lot),
    deleted: [...inTable.keys()].filter((number) => !restByNumber.has(number)),
    beyond: sumBeyond(rest, beyond),
  };
}

/** Adds lots to those of the table. */
export function sumBeyond(lots: readonly Lot[], others: LotsBeyond = NO_LOTS.beyond): LotsBeyond {
  const { remaining: scoped } = sumLots(lots.filter(isScoped));
  return {
    ...sumLots(lots, others),
    count: others.count + lots.length,
    scoped: others.scoped + scoped,
  };
}

const UNTOUCHED = { inserted: [], updated: [], deleted: [] };

/**
 * Fast path: the row after a batch that did nothing but change lots of it, as charges do. No lot
 * changes its place then, and nothing is sorted: 1 µs an account instead of 3.
 */
function rowThatStays(found: FoundLots, changed: readonly Lot[]): readonly Lot[] | undefined {
  const { row, table } = found;
  if (table.length > 0 || changed.length > row.length) return undefined;
  if (!changed.every((lot) => lot.remaining === 0n || isBeforeTheRest(found, lot)))
    return undefined;
  let left = changed.length;
  const after = row.map((lot) => {
    const other = changed.find(({ number }) => number === lot.number);
    if (other !== undefined) left -= 1;
    return other ?? lot;
  });
  return left === 0 ? after.filter(isOpen) : undefined;
}

/** The loaded lots after the batch that are open, in burn order. */
function openLots({ row, table }: FoundLots, changed: readonly Lot[]): readonly Lot[] {
  const byNumber = new Map<bigint, Lot>();
  for (const lots of [row, table, changed]) for (const lot of lots) byNumber.set(lot.number, lot);
  return [...byNumber.values()].filter(isOpen).toSorted(compareBurnOrder);
}

function rowOf(found: FoundLots, open: readonly Lot[]): readonly Lot[] {
  const spendable = open.filter((lot) => lot.remaining > 0n && isBeforeTheRest(found, lot));
  const first = fitting(spendable, { lots: ROW_MAX_LOTS, bytes: ROW_MAX_BYTES });
  const room = {
    lots: ROW_MAX_LOTS - first.length,
    bytes: first.reduce((bytes, lot) => bytes - packedBytesOf(lot), ROW_MAX_BYTES),
  };
  if (first.length < spendable.length || room.lots === 0) return first;
  const inTable = new Set(found.table.map(({ number }) => number));
  const frozen = open.filter(({ remaining, number }) => remaining === 0n && !inTable.has(number));
  if (frozen.length === 0) return spendable;
  return [...spendable, ...fitting(frozen, room)].toSorted(compareBurnOrder);
}

/** The first lots that there is room for. */
function fitting(lots: readonly Lot[], room: { lots: number; bytes: number }): readonly Lot[] {
  let bytes = 0;
  const end = lots.findIndex((lot, index) => {
    bytes += packedBytesOf(lot);
    return index === room.lots || bytes > room.bytes;
  });
  return end === -1 ? lots : lots.slice(0, end);
}

/** Whether a lot burns before every spendable lot of the table that was not loaded. */
function isBeforeTheRest({ beyond, frontier }: FoundLots, lot: Lot): boolean {
  if (beyond.remaining === 0n) return true;
  return frontier !== undefined && compareBurnOrder(lot, frontier) <= 0;
}
