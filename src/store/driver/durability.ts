import { sql } from "kysely";
import type { EntityManager } from "./orm.ts";

/** Why an answered operation could be lost, and what would mend that. */
export type DurabilityGap = {
  /** What the database has, as "fsync = off". */
  readonly what: string;
  /** As "set fsync to on". */
  readonly mend: string;
};

/**
 * What makes this database lose answered operations in a crash; usually nothing. It is told by the
 * session's own settings, which its role or its database may have set, and by those with which
 * their sessions will begin from now on.
 */
export async function durabilityGaps(em: EntityManager): Promise<readonly DurabilityGap[]> {
  const { rows } = await sql<DurabilityGap>`
    select name || ' = ' || value as what, 'set ' || name || ' to on' as mend
    from (
      select name, current_setting(name) as value
      from unnest(array['fsync', 'full_page_writes', 'synchronous_commit']) as name
      union
      (select 'synchronous_commit', case
          when lower(value) in ('off', 'false', 'no', '0') then 'off' else lower(value)
        end
        from pg_db_role_setting
        cross join unnest(setconfig) as setting
        cross join substring(setting from '^synchronous_commit=(.*)') as value
        where value is not null
          and setdatabase in (0, (select oid from pg_database where datname = current_database()))
          and setrole in (0, (select oid from pg_roles where rolname = session_user))
        order by setrole = 0, setdatabase = 0
        limit 1)
    ) as settings
    where value = 'off' or (value = 'local' and current_setting('synchronous_standby_names') <> '')
    union all
    select format('%s unlogged', entry), format('alter table %s set logged', entry)
    from (
      select format('%I.%I', nspname, relname) as entry
      from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where nspname = 'points' and relkind in ('r', 'p') and relpersistence = 'u'
    ) as unlogged
    order by what`.execute(em.getKysely());
  return rows;
}
