import type { Micros } from "../../ledger/time.ts";
import { LedgerEntity } from "../driver/entities.ts";
import type { EntityManager, Orm } from "../driver/orm.ts";
import { pendingMigrations } from "../schema/migrate.ts";
import { readSnapshot } from "./reading.ts";

/** What a database for reads is. */
export type StandbyLook = {
  readonly ledgerId: string;
  /** The names of the migrations that it lacks. */
  readonly pending: readonly string[];
  /** As those of `Reading`. */
  readonly asOf: Micros;
  readonly lags: boolean;
};

/**
 * Looks at a database for reads.
 *
 * @throws errors of the database, also if it has no tables of the ledger
 */
export async function lookAtStandby(orm: Orm): Promise<StandbyLook> {
  return readSnapshot(orm, async ({ em, asOf, lags }) => {
    const pending = await pendingMigrations(em);
    return { asOf, lags, pending, ledgerId: await readLedgerId(em) };
  });
}

/** A UUID. */
export async function readLedgerId(em: EntityManager): Promise<string> {
  const { ledgerId } = await em.findOneOrFail(LedgerEntity, { id: 1 });
  return ledgerId;
}
