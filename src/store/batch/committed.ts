import { sql } from "kysely";
import type { Changes } from "../../ledger/batch.ts";
import { bigints, bytes, rowsOf, texts } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";

/**
 * Exactly-once: whether a transaction whose COMMIT got no answer was committed. The tables show it,
 * since the hash of an entry or a receipt covers its content and all before it; each new account has
 * one of them, which covers its salt. Ask with the accounts locked: then that transaction has ended.
 * (PostgreSQL's own `pg_xact_status` goes by a transaction id, which a promoted standby may give to
 * another transaction.)
 *
 * Every change must be there. Another server may have made exactly the same entry at the same
 * instant, for a request that was sent to both or for something due, and none of the other changes.
 */
export async function isCommitted(run: Run, { entries, receipts }: Changes): Promise<boolean> {
  const { rows } = await run(sql<{ entries: string; receipts: string }>`
    select
      (select count(*) from entry join ${rowsOf({
        user_id: texts(entries, ({ userId }) => userId),
        sequence: bigints(entries, ({ sequence }) => sequence),
        hash: bytes(entries, ({ hash }) => hash),
      })} as made using (user_id, sequence, hash)) as entries,
      (select count(*) from receipt join ${rowsOf({
        user_id: texts(receipts, ({ userId }) => userId),
        number: bigints(receipts, ({ number }) => number),
        hash: bytes(receipts, ({ hash }) => hash),
      })} as made using (user_id, number, hash)) as receipts`);
  const found = rows[0]!;
  return Number(found.entries) === entries.length && Number(found.receipts) === receipts.length;
}
