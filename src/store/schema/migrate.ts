import type { EntityManager, Orm } from "../driver/orm.ts";
import { grantToServer } from "./grants.ts";
import { MIGRATIONS } from "./migrations/list.ts";

// Any fixed number does, as long as every version of Points takes the same: "points" in ASCII.
const MIGRATION_LOCK = 0x70_6f_69_6e_74_73n;

/**
 * Brings the schema up to date. Replicas that start together wait for each other here, because
 * the ORM's migrator takes no lock of its own.
 *
 * @param serverRole gets what a server needs of the schema, and no more; undefined: nobody does
 * @returns the names of the migrations that were run
 */
export async function migrate(orm: Orm, serverRole?: string): Promise<readonly string[]> {
  return orm.em.fork().transactional(async (em) => {
    await em.execute("set local lock_timeout = 0; set local statement_timeout = 0");
    await em.execute(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    const pending = await pendingMigrations(em);
    if (pending.length > 0) {
      const transaction = em.getTransactionContext();
      await orm.migrator.up(transaction === undefined ? {} : { transaction });
    }
    if (serverRole !== undefined) await grantToServer(em, serverRole);
    return pending;
  });
}

/** The names of the migrations that this database still lacks. It writes nothing. */
export async function pendingMigrations(em: EntityManager): Promise<readonly string[]> {
  const [table] = await em.execute<{ exists: boolean }[]>(
    `select to_regclass('points.migration') is not null as "exists"`,
  );
  const rows =
    table?.exists === true
      ? await em.execute<{ name: string }[]>("select name from points.migration")
      : [];
  const done = new Set(rows.map(({ name }) => name));
  return MIGRATIONS.map(({ name }) => name).filter((name) => !done.has(name));
}
