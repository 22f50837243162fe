import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { EntityManager } from "../driver/orm.ts";

/** A lot or a hold that is past its time, and the keyset cursor behind it. */
export type Due = {
  readonly userId: string;
  readonly number: bigint;
  readonly expireTime: Micros;
};

/**
 * Finds due work for the sweeper: lots with points past their time, and open holds past theirs, in
 * the order in which they fell due. Locked accounts are skipped (`skip locked`): the batch that holds
 * the lock books what is due there.
 *
 * @param after the keyset cursor: what fell due after this; undefined: from the start
 */
export async function findDue(
  em: EntityManager,
  after: Due | undefined,
  limit: number,
): Promise<readonly Due[]> {
  const [time, userId, number] =
    after === undefined
      ? ["-infinity", "", "0"]
      : [toTimestamptz(after.expireTime), after.userId, String(after.number)];
  const { rows } = await sql<{ user_id: string; number: string; expire_time: string }>`
    select due.user_id, due.number, due.expire_time
    from (
      select user_id, number, expire_time from points.lot where open and remaining > 0
      union all
      select user_id, number, expire_time from points.hold where status = 'open'
    ) as due
    join points.account using (user_id)
    where due.expire_time <= statement_timestamp()
      and (due.expire_time, due.user_id, due.number)
        > (${time}::timestamptz, ${userId}::text, ${number}::bigint)
    order by due.expire_time, due.user_id, due.number
    limit ${limit}
    for update of account skip locked`.execute(em.getKysely());
  return rows.map((row) => ({
    userId: row.user_id,
    number: BigInt(row.number),
    expireTime: fromTimestamptz(row.expire_time),
  }));
}

/**
 * The sweeper's lag: how many seconds the lot or hold that fell due first has waited to be booked; 0
 * if nothing is due. It costs two index look-ups.
 */
export async function dueForSeconds(em: EntityManager): Promise<number> {
  const { rows } = await sql<{ seconds: string }>`
    select coalesce(greatest(0, extract(epoch from statement_timestamp() - least(
      (select min(expire_time) from points.lot
        where open and expire_time is not null and remaining > 0),
      (select min(expire_time) from points.hold where status = 'open')
    ))), 0) as seconds`.execute(em.getKysely());
  return Number(rows[0]!.seconds);
}
