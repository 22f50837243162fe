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
  begin = sql`begin`,
): Promise<T> {
  const em = orm.em.fork({ flushMode: FlushMode.COMMIT });
  return em
    .getKysely()
    .connection()
    .execute(async (connection) => {
      await begin.execute(connection);
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

/** Runs reads that see the database as it was at the first of them, and that write nothing. */
export function inSnapshot<T>(orm: Orm, work: (em: EntityManager) => Promise<T>): Promise<T> {
  return inTransaction(orm, work, sql`begin isolation level repeatable read read only`);
}
