import { sql } from "kysely";
import type { Entry } from "../../ledger/entry.ts";
import { type Name, namesOf } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import { type EntryRow, toEntry } from "./entries.ts";

/** An entry that a command wants to refund, and how much of it has been. */
export type Refundable = { readonly entry: Entry; readonly refunded: bigint };

/** The entries of these names that there are. */
export async function loadRefundables(
  run: Run,
  named: readonly Name[],
): Promise<readonly Refundable[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<EntryRow & { refunded: string }>`
    select entry.*, coalesce(refund.refunded, 0) as refunded
    from ${namesOf(named, "sequence")} as named
    join points.entry using (user_id, sequence)
    left join points.refund using (user_id, sequence)`);
  return rows.map((row) => ({ entry: toEntry(row), refunded: BigInt(row.refunded) }));
}
