import { sql } from "kysely";
import { compareBurnOrder, isOpen, type Lot, sumLots } from "../../ledger/lot.ts";
import type { AccountState } from "../../ledger/state.ts";
import { NOW } from "../driver/clock.ts";
import { type Name, namesOf, rowsOf, texts } from "../driver/columns.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";

/** Whose lots are wanted, and how many points may be taken from those that burn first. */
export type LotDemand = { readonly userId: string; readonly points: bigint };

/** Lots of one user, as its state has them. */
export type LoadedLots = Pick<AccountState, "lots" | "otherLots">;

/**
 * All open lots of each user who has few of them; of the others' those that burn first, enough for
 * the points demanded, and those that are due. Besides them the named ones, open or closed. The rest
 * the database only adds up, so that an account with a thousand open lots costs little more than one
 * with two.
 *
 * @param demands one a user
 * @param named known later than the rest
 * @returns by user id; a user of whom there is nothing is missing
 */
export async function loadLots(
  run: Run,
  demands: readonly LotDemand[],
  named: Promise<readonly Name[]>,
): Promise<Map<string, LoadedLots>> {
  const [byUser, others] = await Promise.all([
    loadOpenLots(run, demands),
    named.then((names) => loadNamedLots(run, names)),
  ]);
  for (const [userId, ofUser] of Map.groupBy(others, userIdOf)) {
    const open = byUser.get(userId) ?? [];
    const seen = new Set(open.map(({ number }) => number));
    byUser.set(userId, [...open, ...ofUser.filter(({ number }) => !seen.has(number))]);
  }
  return new Map([...byUser].map(([userId, ofUser]) => [userId, toLoadedLots(ofUser)]));
}

// Of an account with fewer, all are read: a second query that adds them up would cost more.
const FEW_LOTS = 16;

const COLUMNS = sql.raw(
  "lot.ctid, user_id, number, points, remaining, frozen, priority, expire_time",
);
const BURN_ORDER = sql.raw("priority, coalesce(expire_time, 'infinity'), number");

/** By user id. */
async function loadOpenLots(
  run: Run,
  demands: readonly LotDemand[],
): Promise<Map<string, (LotRow | SummedLotRow)[]>> {
  const { rows } = await run(sql<LotRow>`
    select lot.* from ${rowsOf({ user_id: texts(demands, ({ userId }) => userId) })} as demand
    cross join lateral (
      select ${COLUMNS} from points.lot where lot.user_id = demand.user_id and open
      order by ${BURN_ORDER} limit ${sql.lit(FEW_LOTS)}
    ) as lot`);
  const byUser = Map.groupBy<string, LotRow | SummedLotRow>(rows, userIdOf);
  const crowded = demands.filter(({ userId }) => byUser.get(userId)?.length === FEW_LOTS);
  if (crowded.length === 0) return byUser;
  const demanded = Map.groupBy(await loadDemandedLots(run, crowded), userIdOf);
  return new Map([...byUser, ...demanded]);
}

/** What all open lots of a user have together, and how many they are, beside one of them. */
type SummedLotRow = LotRow & { all_remaining: string; all_frozen: string; all_count: string };

/** Of users with many lots: those that burn first, enough for the demand, and those that are due. */
async function loadDemandedLots(
  run: Run,
  demands: readonly LotDemand[],
): Promise<readonly SummedLotRow[]> {
  const { rows } = await run(sql<SummedLotRow>`
    select ${COLUMNS}, all_remaining, all_frozen, all_count from (
      select lot.*,
        sum(remaining) over (partition by user_id) as all_remaining,
        sum(frozen) over (partition by user_id) as all_frozen,
        count(*) over (partition by user_id) as all_count,
        sum(case when due then 0 else remaining end) over (
          partition by user_id order by ${BURN_ORDER}
        ) as supply
      from (
        select ${COLUMNS}, demanded, coalesce(expire_time <= ${NOW}, false) as due
        from ${rowsOf({
          user_id: texts(demands, ({ userId }) => userId),
          demanded: sql`${texts(demands, ({ points }) => String(points))}::numeric`,
        })} as demand
        join points.lot using (user_id)
        where open
      ) as lot
    ) as lot
    where due or supply - remaining <= demanded`);
  return rows;
}

async function loadNamedLots(run: Run, named: readonly Name[]): Promise<readonly LotRow[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<LotRow>`
    select lot.ctid, lot.* from points.lot
    join ${namesOf(named, "number")} as named using (user_id, number)`);
  return rows;
}

function userIdOf({ user_id }: LotRow): string {
  return user_id;
}

function toLoadedLots(rows: readonly (LotRow | SummedLotRow)[]): LoadedLots {
  const lots = rows.map(toLot).toSorted(compareBurnOrder);
  const sums = rows.find((row) => "all_remaining" in row);
  const { remaining, frozen } = sumLots(lots);
  const open = lots.filter(isOpen).length;
  return {
    lots,
    otherLots: {
      remaining: BigInt(sums?.all_remaining ?? remaining) - remaining,
      frozen: BigInt(sums?.all_frozen ?? frozen) - frozen,
      count: Number(sums?.all_count ?? open) - open,
    },
  };
}

/** A row of the table `lot`, as a query that the ORM does not map gives it. */
export type LotRow = {
  /** Where the row is, if that was asked for. An update moves it. */
  ctid?: string;
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
    row: row.ctid,
  };
}
