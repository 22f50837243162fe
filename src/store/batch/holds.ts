import { sql } from "kysely";
import type { Hold } from "../../ledger/hold.ts";
import { type RowKey, rowsOfKeys } from "../driver/columns.ts";
import { columnsOf, HoldEntity, type HoldRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { type DueAccount, rowsOfDueAccounts } from "./due-accounts.ts";
import { unpackAllocations } from "./packed-allocations.ts";

const HOLD_COLUMNS = columnsOf(HoldEntity, "hold");

/** A hold with its user. */
export type HoldOf = { readonly userId: string; readonly hold: Hold };

/**
 * Loads named holds, open or closed. A closed one is without its allocations, maybe thousands.
 *
 * @param freezeTimes whether they must say when they were made, which only their entries know
 */
export async function loadNamedHolds(
  run: Run,
  named: readonly RowKey[],
  freezeTimes: boolean,
): Promise<readonly HoldOf[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<HoldRow & { freeze_time: string | null }>`
    select user_id, number, points, settled, status, service, member, expire_time,
      case when status = 'open' then allocations end as allocations,
      ${freezeTimes ? FREEZE_TIME : sql`null`} as freeze_time
    from hold
    join ${rowsOfKeys(named, "number")} as named using (user_id, number)`);
  return rows.map(({ freeze_time, ...row }) => {
    if (freeze_time === null) return toHoldOf(row);
    const hold = { ...toHold(row), freezeTime: fromTimestamptz(freeze_time) };
    return { userId: row.user_id, hold };
  });
}

const FREEZE_TIME = sql`(select create_time from entry
  where entry.user_id = hold.user_id and entry.sequence = hold.number)`;

/** Loads the due holds of accounts: of each the earliest, `max` at most. */
export async function loadDueHolds(
  run: Run,
  dueAccounts: readonly DueAccount[],
  max: number,
): Promise<readonly HoldOf[]> {
  if (dueAccounts.length === 0) return [];
  const { rows } = await run(sql<HoldRow>`
    select ${HOLD_COLUMNS} from ${rowsOfDueAccounts(dueAccounts)} as asked
    cross join lateral (
      select * from hold
      where hold.user_id = asked.user_id and status = 'open' and expire_time <= asked.time
      order by expire_time, number limit ${sql.lit(max)}
    ) as hold`);
  return rows.map(toHoldOf);
}

function toHoldOf(row: HoldRow): HoldOf {
  return { userId: row.user_id, hold: toHold(row) };
}

/**
 * Loads one hold an account that stands for all due holds: the sums of their points, by lot. Booking it
 * gives the same figures, and a read does not look at thousands of holds. Of an account that owes
 * or has policies each hold stands for itself: which of them repay the debt, and which quiet periods
 * come before them, depends on their instants.
 *
 * @returns holds by user id; a user without any is missing
 */
export async function sumDueHolds(
  run: Run,
  dueAccounts: readonly DueAccount[],
): Promise<Map<string, readonly Hold[]>> {
  if (dueAccounts.length === 0) return new Map();
  const { rows } = await run(sql<DueRow>`
    select user_id, max(number) as number, sum(points)::bigint as points,
      max(expire_time) as expire_time, array_agg(lot order by place) as lots,
      array_agg(points order by place) as lot_points
    from (
      select user_id, max(number) as number, max(expire_time) as expire_time,
        part.lot, sum(part.points)::bigint as points, min(part.place) as place,
        case when asked.apart then number end as one
      from ${rowsOfDueAccounts(dueAccounts)} as asked join hold using (user_id)
      cross join lateral unpack_allocations(allocations) with ordinality
        as part (lot, points, place)
      where status = 'open' and expire_time <= asked.time
      group by user_id, part.lot, one
    ) as part
    group by user_id, one`);
  const byUser = Map.groupBy(rows, ({ user_id }) => user_id);
  return new Map([...byUser].map(([userId, ofUser]) => [userId, ofUser.map(toSummedHold)]));
}

type DueRow = Pick<HoldRow, "user_id" | "number" | "points" | "expire_time"> & {
  lots: readonly string[];
  lot_points: readonly string[];
};

function toSummedHold({ lots, lot_points, ...row }: DueRow): Hold {
  return {
    number: BigInt(row.number),
    points: BigInt(row.points),
    settled: 0n,
    status: "open",
    service: null,
    member: "",
    expireTime: fromTimestamptz(row.expire_time),
    allocations: lots.map((lot, index) => ({
      lot: BigInt(lot),
      points: BigInt(lot_points[index]!),
    })),
  };
}

/** Converts a row to a hold. */
export function toHold(row: HoldRow): Hold {
  return {
    number: BigInt(row.number),
    points: BigInt(row.points),
    settled: BigInt(row.settled),
    status: row.status,
    service: row.service,
    member: row.member ?? "",
    expireTime: fromTimestamptz(row.expire_time),
    allocations: unpackAllocations(row.allocations),
  };
}
