import { sql } from "kysely";
import type { EntityManager } from "./orm.ts";

/** A setting by which an answered operation could be lost, and its remedy. */
export type DurabilityGap = {
  /** The setting, as "fsync = off". */
  readonly what: string;
  /** The remedy, as "set fsync to on". */
  readonly mend: string;
};

/**
 * Durability check: finds the settings by which this database can lose answered operations in a crash
 * or a failover; usually none. It looks at the settings of this session and at the defaults of its
 * role and database, with which sessions will begin from now on.
 *
 * @returns the gaps, in order of `what`
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
      where nspname = current_schema() and relkind in ('r', 'p') and relpersistence = 'u'
    ) as unlogged
    order by what`.execute(em.getKysely());
  return rows;
}
