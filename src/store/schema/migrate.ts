import type { EntityManager, Orm } from "../driver/orm.ts";
import { grantToServer } from "./grants.ts";
import { MIGRATIONS } from "./migrations/list.ts";

// The key of the advisory lock, "points" in ASCII. It must be the same in all versions of Points.
const MIGRATION_LOCK = 0x70_6f_69_6e_74_73n;

/**
 * Runs the pending migrations in one transaction, under an advisory lock: the ORM's migrator takes no
 * lock, and servers that start together must not migrate at once.
 *
 * @param serverRole the role to grant a server's privileges, and no more; undefined: none
 * @returns the names of the migrations that were run
 * @throws {UserError} as `grantToServer`
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

/** The names of the migrations that this database lacks. Reads only. */
export async function pendingMigrations(em: EntityManager): Promise<readonly string[]> {
  const [table] = await em.execute<{ exists: boolean }[]>(
    `select to_regclass('migration') is not null as "exists"`,
  );
  const rows =
    table?.exists === true
      ? await em.execute<{ name: string }[]>("select name from migration")
      : [];
  return pendingAfter(rows);
}

/** The names of the migrations that are not among those that have run. */
export function pendingAfter(rows: readonly { readonly name: string }[]): readonly string[] {
  const done = new Set(rows.map(({ name }) => name));
  return MIGRATIONS.map(({ name }) => name).filter((name) => !done.has(name));
}
