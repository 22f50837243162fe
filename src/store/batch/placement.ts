import { compareBurnOrder, isOpen, type Lot, type LotSums, sumLots } from "../../ledger/lot.ts";

/** An account's row holds at most so many lots. */
export const ROW_MAX_LOTS = 16;

/** The lots of an account, by where they were found. */
export type FoundLots = {
  /** In its row. */
  readonly row: readonly Lot[];
  /** In the table. */
  readonly table: readonly Lot[];
  /** In the table, and not loaded. */
  readonly beyond: LotSums & { readonly count: number };
  /** Every lot in the table that was not loaded burns after it; undefined: nothing is known. */
  readonly frontier: Lot | undefined;
};

/** Where an account's open lots are to be. */
export type PlacedLots = {
  readonly row: readonly Lot[];
  readonly inserted: readonly Lot[];
  readonly updated: readonly Lot[];
  /** Their numbers. */
  readonly deleted: readonly bigint[];
  /** All lots in the table. */
  readonly beyond: LotSums & { readonly count: number };
};

/**
 * Places an account's open lots after a batch: in its row those that burn first, at most
 * `ROW_MAX_LOTS`, the others in the table. Every lot in the row that can be spent burns before every
 * lot in the table that can, so that a charge reads the table only if it needs more than the row
 * has. Lots that only have frozen points stay in the row while there is room. A closed lot is
 * nowhere.
 *
 * @param after all lots that were loaded or made, in any order
 */
export function placeLots(found: FoundLots, after: readonly Lot[]): PlacedLots {
  const open = after.filter(isOpen).toSorted(compareBurnOrder);
  const row = rowOf(found, open);
  const inRow = new Set(row.map(({ number }) => number));
  const inTable = new Map(found.table.map((lot) => [lot.number, lot]));
  const rest = open.filter(({ number }) => !inRow.has(number));
  const restNumbers = new Set(rest.map(({ number }) => number));
  const { remaining, frozen } = sumLots(rest);
  return {
    row,
    inserted: rest.filter(({ number }) => !inTable.has(number)),
    updated: rest.filter((lot) => inTable.has(lot.number) && inTable.get(lot.number) !== lot),
    deleted: [...inTable.keys()].filter((number) => !restNumbers.has(number)),
    beyond: {
      remaining: found.beyond.remaining + remaining,
      frozen: found.beyond.frozen + frozen,
      count: found.beyond.count + rest.length,
    },
  };
}

function rowOf({ row, beyond, frontier }: FoundLots, open: readonly Lot[]): readonly Lot[] {
  const isBefore = (lot: Lot) =>
    beyond.count === 0 || (frontier !== undefined && compareBurnOrder(lot, frontier) <= 0);
  const wasInRow = new Set(row.map(({ number }) => number));
  const spendable = open.filter((lot) => lot.remaining > 0n && isBefore(lot));
  const parked = open.filter((lot) => lot.remaining === 0n && wasInRow.has(lot.number));
  const kept = [...spendable.slice(0, ROW_MAX_LOTS), ...parked].slice(0, ROW_MAX_LOTS);
  return kept.toSorted(compareBurnOrder);
}
