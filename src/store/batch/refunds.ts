import { sql } from "kysely";
import type { Entry } from "../../ledger/entry.ts";
import { type RowKey, rowsOfKeys } from "../driver/columns.ts";
import type { EntryRow } from "../driver/entities.ts";
import type { Run } from "../driver/transaction.ts";
import { ENTRY_COLUMNS, toEntry } from "./entries.ts";

/** An entry that a command refunds, and its points that were refunded before. */
export type Refundable = { readonly entry: Entry; readonly refunded: bigint };

/** Loads the entries of these keys that exist, with what was refunded of them. */
export async function loadRefundables(
  run: Run,
  named: readonly RowKey[],
): Promise<readonly Refundable[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<EntryRow & { refunded: string }>`
    select ${ENTRY_COLUMNS}, coalesce(undone.refunded, 0) as refunded
    from ${rowsOfKeys(named, "sequence")} as named
    join points.entry using (user_id, sequence)
    left join points.undone using (user_id, sequence)`);
  return rows.map((row) => ({ entry: toEntry(row), refunded: BigInt(row.refunded) }));
}
