import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { LedgerEntity } from "../driver/entities.ts";
import type { EntityManager, Orm } from "../driver/orm.ts";
import { WrongServer } from "../driver/transaction.ts";
import { pendingAfter } from "../schema/migrate.ts";
import { readSnapshot } from "./reading.ts";

/** What a database for reads is. */
type StandbyLook = {
  readonly ledgerId: string;
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
    const [migrations, ledgers] = await Promise.all([
      run(sql<{ name: string }>`select name from migration`),
      run(sql<{ ledger_id: string }>`select ledger_id from ledger where id = 1`),
    ]);
    const pending = pendingAfter(migrations.rows);
    return { asOf, pending, ledgerId: ledgers.rows[0]!.ledger_id };
  });
}

/** A UUID. */
export async function readLedgerId(em: EntityManager): Promise<string> {
  const { ledgerId } = await em.findOneOrFail(LedgerEntity, { id: 1 });
  return ledgerId;
}
