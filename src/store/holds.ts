import { sql } from "kysely";
import type { Hold, HoldStatus } from "../ledger/hold.ts";
import { NOW } from "./clock.ts";
import { type Name, namesOf, textArray } from "./columns.ts";
import { toAllocations } from "./entries.ts";
import { fromTimestamptz } from "./instant.ts";
import type { Run } from "./transaction.ts";

/**
 * The open holds of these users that are due, and the named ones, open or closed.
 *
 * @returns holds by user id; a user without any is missing
 */
export async function loadHolds(
  run: Run,
  userIds: readonly string[],
  named: readonly Name[],
): Promise<Map<string, readonly Hold[]>> {
  const { rows } = await run(sql<HoldRow>`
    select * from points.hold
    where user_id = any(${textArray(userIds)}) and status = 'open'
      and expire_time <= ${NOW}
    union
    select hold.* from points.hold
    join ${namesOf(named, "number")} as named using (user_id, number)`);
  const byUser = Map.groupBy(rows, (row) => row.user_id);
  return new Map([...byUser].map(([userId, ofUser]) => [userId, ofUser.map(toHold)]));
}

/** A row of the table `hold`, as a query that the ORM does not map gives it. */
export type HoldRow = {
  user_id: string;
  number: string;
  points: string;
  settled: string;
  status: HoldStatus;
  expire_time: string;
  lots: readonly string[];
  lot_points: readonly string[];
};

/** The hold that a row holds. */
export function toHold(row: HoldRow): Hold {
  return {
    number: BigInt(row.number),
    points: BigInt(row.points),
    settled: BigInt(row.settled),
    status: row.status,
    expireTime: fromTimestamptz(row.expire_time),
    allocations: toAllocations(row),
  };
}
