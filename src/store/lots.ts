import { sql } from "kysely";
import { compareBurnOrder, type Lot, sumLots } from "../ledger/lot.ts";
import type { AccountState } from "../ledger/state.ts";
import type { Micros } from "../ledger/time.ts";
import { fromTimestamptz, toTimestamptz } from "./instant.ts";
import { bigints, numerics, texts } from "./columns.ts";
import type { Run } from "./transaction.ts";

/** A lot, a hold or an entry, by its name: numbers are sequences. */
export type Name = { readonly userId: string; readonly number: bigint };

/** Names as two columns, for `unnest`. */
export function nameColumns(names: readonly Name[]) {
  return sql.join([texts(names, ({ userId }) => userId), bigints(names, ({ number }) => number)]);
}

/** Whose lots are wanted, and how many points may be taken from those that burn first. */
export type LotDemand = { readonly userId: string; readonly points: bigint };

/** Lots of one user, as its state has them. */
export type LoadedLots = Pick<AccountState, "lots" | "otherLots">;

/**
 * Of each user's open lots, those that burn first, enough for the points demanded, and those that
 * are due; besides them the named ones, open or closed. All others the database only adds up, so
 * that an account with a thousand open lots costs little more than one with two.
 *
 * @param demands one a user
 * @param named known later than the rest
 * @returns by user id; a user of whom there is nothing is missing
 */
export async function loadLots(
  run: Run,
  demands: readonly LotDemand[],
  named: Promise<readonly Name[]>,
  now: Micros,
): Promise<Map<string, LoadedLots>> {
  const [open, others] = await Promise.all([
    loadOpenLots(run, demands, now),
    named.then((names) => loadNamedLots(run, names)),
  ]);
  const seen = new Set(open.map(keyOf));
  const rows = [...open, ...others.filter((row) => !seen.has(keyOf(row)))];
  const byUser = Map.groupBy(rows, (row) => row.user_id);
  return new Map([...byUser].map(([userId, ofUser]) => [userId, toLoadedLots(ofUser)]));
}

type OpenLotRow = LotRow & { all_remaining: string; all_frozen: string };

async function loadOpenLots(
  run: Run,
  demands: readonly LotDemand[],
  now: Micros,
): Promise<readonly OpenLotRow[]> {
  const userIds = texts(demands, ({ userId }) => userId);
  const { rows } = await run(sql<OpenLotRow>`
    select lot.* from (
      select *,
        sum(remaining) over (partition by user_id) as all_remaining,
        sum(frozen) over (partition by user_id) as all_frozen,
        sum(case when due then 0 else remaining end) over (
          partition by user_id order by priority, coalesce(expire_time, 'infinity'), number
        ) as supply
      from (
        select *, coalesce(expire_time <= ${toTimestamptz(now)}::timestamptz, false) as due
        from points.lot where user_id = any(${userIds}) and open
      ) as lot
    ) as lot
    join unnest(${userIds}, ${numerics(demands, ({ points }) => points)})
      as demand (user_id, points) using (user_id)
    where due or supply - remaining <= demand.points`);
  return rows;
}

async function loadNamedLots(run: Run, named: readonly Name[]): Promise<readonly LotRow[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<LotRow>`
    select lot.* from points.lot
    join (
      select distinct * from unnest(${nameColumns(named)}) as named (user_id, number)
    ) as named using (user_id, number)`);
  return rows;
}

function keyOf({ user_id, number }: LotRow): string {
  return `${user_id} ${number}`;
}

function toLoadedLots(rows: readonly (LotRow | OpenLotRow)[]): LoadedLots {
  const lots = rows.map(toLot).toSorted(compareBurnOrder);
  const sums = rows.find((row) => "all_remaining" in row);
  const { remaining, frozen } = sumLots(lots);
  return {
    lots,
    otherLots: {
      remaining: BigInt(sums?.all_remaining ?? 0) - remaining,
      frozen: BigInt(sums?.all_frozen ?? 0) - frozen,
    },
  };
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
