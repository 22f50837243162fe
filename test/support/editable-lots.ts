import type { TestDatabase } from "./database.ts";

/**
 * Makes the view `edit.lot` of all open lots, which tests may insert into, update and delete from:
 * a lot of an account's row is packed again, a lot of the table is changed there. Nothing else of
 * the account changes. `edit.pack(lots, points)` are allocations. (A schema of its own, since `verify` reports whatever it finds in ours.)
 */
export async function makeLotsEditable({ query }: Pick<TestDatabase, "query">): Promise<void> {
  await query(EDITABLE_LOTS);
}

const EDITABLE_LOTS = `
  create schema if not exists edit;
  create or replace view edit.lot as select * from points.open_lot;
  create or replace function edit.pack_lots(lots points.open_lot[]) returns bytea language sql as $$
    select coalesce(string_agg(int2send((42 + octet_length(words))::smallint) || int8send(number)
      || int8send(points) || int8send(remaining) || int8send(frozen) || int2send(priority)
      || int8send(case
        when expire_time is null then 9223372036854775807
        else (extract(epoch from expire_time) * 1000000)::bigint end) || words,
      '' order by priority, services is null, expire_time nulls last, number), '')
    from unnest(lots) cross join lateral (
      select case when category is null and services is null then ''::bytea
        else substring(int2send(octet_length(coalesce(category, ''))::smallint) from 2)
          || convert_to(coalesce(category, ''), 'UTF8')
          || convert_to(coalesce(array_to_string(services, ' '), ''), 'UTF8') end as words
    ) as words
  $$;
  create or replace function edit.pack(lots bigint[], points bigint[]) returns bytea language sql
  as $$
    select '\\x88'::bytea || string_agg(int8send(lot) || int8send(part), '' order by place)
    from unnest(lots, points) with ordinality as allocation (lot, part, place)
  $$;
  create or replace function edit.change_lot() returns trigger language plpgsql as $$
    begin
      if tg_op <> 'INSERT' then
        delete from points.lot where user_id = old.user_id and number = old.number;
        update points.account set lots = edit.pack_lots(array(
          select one from points.open_lot as one
          where user_id = old.user_id and in_row and number <> old.number))
        where user_id = old.user_id and old.in_row;
      end if;
      if tg_op <> 'DELETE' then
        insert into points.lot
          select new.user_id, new.number, new.points, new.remaining, new.frozen, new.priority,
            new.expire_time, new.category, new.services
          where not new.in_row;
        update points.account set lots = edit.pack_lots(array(
          select one from points.open_lot as one where user_id = new.user_id and in_row)
          || row(new.*)::points.open_lot)
        where user_id = new.user_id and new.in_row;
        return new;
      end if;
      return old;
    end
  $$;
  create or replace trigger change_lot instead of insert or update or delete on edit.lot
    for each row execute function edit.change_lot()`;
