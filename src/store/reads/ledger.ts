import { sql } from "kysely";
import type { Orm } from "../driver/orm.ts";
import { inTransaction } from "../driver/transaction.ts";

/** What the database says of the ledger as a whole. */
export type LedgerRead = {
  /** A UUID. */
  readonly ledgerId: string;
  readonly epoch: bigint;
  /** The number of the last migration. */
  readonly schemaVersion: number;
};

/** Reads which ledger this is, and begins an epoch if one is to begin. */
export async function readLedger(orm: Orm): Promise<LedgerRead> {
  return inTransaction(orm, async ({ run, epoch }) => {
    const { rows } = await run(sql<{ ledger_id: string; schema_version: number }>`
      select ledger_id, (select max(substring(name from '^\\d+')::integer) from migration)
        as schema_version
      from ledger`);
    const [row] = rows;
    return { ledgerId: row!.ledger_id, epoch, schemaVersion: row!.schema_version };
  });
}
