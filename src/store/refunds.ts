import { sql } from "kysely";
import type { Entry } from "../ledger/entry.ts";
import { type EntryRow, toEntry } from "./entries.ts";
import { type Name, nameColumns } from "./lots.ts";
import type { EntityManager } from "./orm.ts";

/** An entry that a command wants to refund, and how much of it has been. */
export type Refundable = { readonly entry: Entry; readonly refunded: bigint };

/** The entries of these names that there are. */
export async function loadRefundables(
  em: EntityManager,
  named: readonly Name[],
): Promise<readonly Refundable[]> {
  if (named.length === 0) return [];
  const { rows } = await sql<EntryRow & { refunded: string }>`
    select entry.*, coalesce(refund.refunded, 0) as refunded
    from (
      select distinct * from unnest(${nameColumns(named)}) as named (user_id, sequence)
    ) as named
    join points.entry using (user_id, sequence)
    left join points.refund using (user_id, sequence)`.execute(em.getKysely());
  return rows.map((row) => ({ entry: toEntry(row), refunded: BigInt(row.refunded) }));
}
