import { sql } from "kysely";
import type { Micros } from "../ledger/time.ts";
import { fromTimestamptz, toTimestamptz } from "./instant.ts";
import type { EntityManager } from "./orm.ts";

/** A lot that is past its time and still holds points: where a search goes on after it. */
export type DueLot = {
  readonly userId: string;
  readonly number: bigint;
  readonly expireTime: Micros;
};

/**
 * Finds due lots, in the order in which they fell due. Accounts that somebody has locked are left
 * out: whoever works on an account books what is due there anyway.
 *
 * @param after where to go on; undefined: from the start
 */
export async function findDueLots(
  em: EntityManager,
  after: DueLot | undefined,
  limit: number,
): Promise<readonly DueLot[]> {
  const [time, userId, number] =
    after === undefined
      ? ["-infinity", "", "0"]
      : [toTimestamptz(after.expireTime), after.userId, String(after.number)];
  const { rows } = await sql<{ user_id: string; number: string; expire_time: string }>`
    select lot.user_id, lot.number, lot.expire_time
    from points.lot join points.account using (user_id)
    where lot.open and lot.remaining > 0 and lot.expire_time <= statement_timestamp()
      and (lot.expire_time, lot.user_id, lot.number)
        > (${time}::timestamptz, ${userId}::text, ${number}::bigint)
    order by lot.expire_time, lot.user_id, lot.number
    limit ${limit}
    for update of account skip locked`.execute(em.getKysely());
  return rows.map((row) => ({
    userId: row.user_id,
    number: BigInt(row.number),
    expireTime: fromTimestamptz(row.expire_time),
  }));
}
