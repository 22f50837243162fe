import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import type { Orm } from "../driver/orm.ts";
import { type Run, WrongServer } from "../driver/transaction.ts";
import { pendingAfter } from "../schema/migrate.ts";
import { readSnapshot } from "./reading.ts";

/** Which ledger a database has, and in which of its lives. */
export type LedgerLife = {
  /** A UUID. */
  readonly ledgerId: string;
  /** The last epoch's number and when it began, as text: others may have begun one of that number. */
  readonly epoch: string;
};

/** What a database for reads is. */
type StandbyLook = LedgerLife & {
  /** The names of the migrations that it lacks. */
  readonly pending: readonly string[];
  /** As that of `Reading`. */
  readonly asOf: Micros;
};

/**
 * Looks at a database for reads.
 *
 * @throws {WrongServer} if it takes writes
 * @throws errors of the database, also if it has no tables of the ledger
 */
export async function lookAtStandby(orm: Orm): Promise<StandbyLook> {
  // Behind a balancer each connection may lead to another one.
  return readSnapshot(orm, async ({ run, asOf, lags }) => {
    if (!lags) throw new WrongServer("READS_URL leads to a server that takes writes");
    const [migrations, life] = await Promise.all([
      run(sql<{ name: string }>`select name from migration`),
      readLife(run),
    ]);
    return { ...life, asOf, pending: pendingAfter(migrations.rows) };
  });
}

/** Reads which ledger it is. */
export async function readLife(run: Run): Promise<LedgerLife> {
  const { rows } = await run(sql<{ ledger_id: string; epoch: string | null }>`
    select ledger_id, (
      select epoch || ' ' || extract(epoch from begin_time) from epoch order by epoch desc limit 1
    ) as epoch from ledger where id = 1`);
  const { ledger_id: ledgerId, epoch } = rows[0]!;
  return { ledgerId, epoch: epoch ?? "" };
}
