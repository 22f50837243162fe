import { sql } from "kysely";
import { compareBurnOrder, type Lot } from "../ledger/lot.ts";
import { fromTimestamptz } from "./instant.ts";
import type { EntityManager } from "./orm.ts";

/** A lot, a hold or an entry, by its name: numbers are sequences. */
export type Name = { readonly userId: string; readonly number: bigint };

/** Names as two columns, for `unnest`. */
export function nameColumns(names: readonly Name[]) {
  return sql.join([
    sql`${names.map(({ userId }) => userId)}::text[]`,
    sql`${names.map(({ number }) => String(number))}::bigint[]`,
  ]);
}

/**
 * The open lots of these users, and the named ones that are closed.
 *
 * @returns lots in burn order, by user id; a user without lots is missing
 */
export async function loadLots(
  em: EntityManager,
  userIds: readonly string[],
  named: readonly Name[],
): Promise<Map<string, readonly Lot[]>> {
  const { rows } = await sql<LotRow>`
    select * from points.lot where user_id = any(${userIds}::text[]) and open
    union all
    select lot.* from points.lot
    join (
      select distinct * from unnest(${nameColumns(named)}) as named (user_id, number)
    ) as named using (user_id, number)
    where not lot.open`.execute(em.getKysely());
  const byUser = Map.groupBy(rows, (row) => row.user_id);
  return new Map(
    [...byUser].map(([userId, ofUser]) => [userId, ofUser.map(toLot).toSorted(compareBurnOrder)]),
  );
}

/** A row of the table `lot`, as a query that the ORM does not map gives it. */
export type LotRow = {
  user_id: string;
  number: string;
  points: string;
  remaining: string;
  frozen: string;
  priority: number;
  expire_time: string | null;
};

/** The lot that a row holds. */
export function toLot(row: LotRow): Lot {
  return {
    number: BigInt(row.number),
    points: BigInt(row.points),
    remaining: BigInt(row.remaining),
    frozen: BigInt(row.frozen),
    priority: row.priority,
    expireTime: row.expire_time === null ? null : fromTimestamptz(row.expire_time),
  };
}
