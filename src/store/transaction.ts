import { FlushMode, type Transaction } from "@mikro-orm/postgresql";
import { sql } from "kysely";
import type { EntityManager, Orm } from "./orm.ts";

/**
 * Runs `work` in a transaction of its own, which is rolled back unless `work` ends it with
 * `commit`. Whatever fails, the connection goes back to the pool: the EntityManager's own `begin`,
 * `commit` and `rollback` keep it for ever if it dies under them, and the pool would run dry.
 */
export async function inTransaction<T>(
  orm: Orm,
  work: (em: EntityManager, commit: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const em = orm.em.fork({ flushMode: FlushMode.COMMIT });
  return em
    .getKysely()
    .connection()
    .execute(async (connection) => {
      await sql`begin`.execute(connection);
      let isEnded = false;
      const commit = async () => {
        isEnded = true;
        await sql`commit`.execute(connection);
      };
      try {
        em.setTransactionContext(connection as Transaction);
        return await work(em, commit);
      } finally {
        if (!isEnded) await sql`rollback`.execute(connection).catch(() => {});
      }
    });
}
