import { sql } from "kysely";
import type { EntityManager } from "./orm.ts";

/**
 * The settings of this database under which an answered operation could be lost, as
 * "fsync = off"; usually none.
 */
export async function durabilityGaps(em: EntityManager): Promise<readonly string[]> {
  const { rows } = await sql<{ gap: string }>`
    select name || ' = ' || setting as gap from pg_settings
    where name in ('fsync', 'full_page_writes', 'synchronous_commit')
      and setting in ('off', 'local')
    order by name`.execute(em.getKysely());
  return rows.map(({ gap }) => gap);
}
