import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { EntityManager } from "../driver/orm.ts";

/** An account whose clock has come, and the keyset cursor behind it. */
export type Due = { readonly userId: string; readonly dueTime: Micros };

/**
 * Finds due work for the sweeper: the accounts whose clock has come, in the order of their clocks.
 * Locked accounts are skipped (`skip locked`): the batch that holds the lock books what is due there.
 *
 * @param after the keyset cursor: what fell due after this; undefined: from the start
 */
export async function findDue(
  em: EntityManager,
  after: Due | undefined,
  limit: number,
): Promise<readonly Due[]> {
  const [time, userId] =
    after === undefined ? ["-infinity", ""] : [toTimestamptz(after.dueTime), after.userId];
  const { rows } = await sql<{ user_id: string; due_time: string }>`
    select user_id, due_time from account
    where due_time <= statement_timestamp()
      and (due_time, user_id) > (${time}::timestamptz, ${userId}::text)
    order by due_time, user_id
    limit ${limit}
    for update skip locked`.execute(em.getKysely());
  return rows.map((row) => ({ userId: row.user_id, dueTime: fromTimestamptz(row.due_time) }));
}

/**
 * The sweeper's lag: how many seconds the account whose clock came first has waited; 0 if none waits.
 * It costs one index look-up. An account of which nothing is due any more counts until it is swept.
 */
export async function dueForSeconds(em: EntityManager): Promise<number> {
  const { rows } = await sql<{ seconds: string }>`
    select coalesce(greatest(0, extract(epoch from statement_timestamp() - min(due_time))), 0)
      as seconds
    from account where due_time is not null`.execute(em.getKysely());
  return Number(rows[0]!.seconds);
}
