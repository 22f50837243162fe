import { sql } from "kysely";
import { compareBurnOrder, isOpen, type Lot, sumLots } from "../../ledger/lot.ts";
import type { AccountState } from "../../ledger/state.ts";
import { NOW } from "../driver/clock.ts";
import { type RowKey, rowsOf, rowsOfKeys, texts } from "../driver/columns.ts";
import type { LotRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import type { Rows } from "./rows.ts";

/** The points that may be taken from the lots of each user, by user id. */
type Demands = ReadonlyMap<string, bigint>;

type LoadedLots = {
  /** The lots of each user's state; a user without any is missing. */
  readonly byUser: ReadonlyMap<string, Pick<AccountState, "lots" | "otherLots">>;
  readonly rows: Rows["lots"];
};

/**
 * Loads the lots that a batch can reach. For a user with few open lots that is all of them. For the
 * others it is the lots that burn first, enough for the points demanded, and the due lots. Named
 * lots, open or closed, come in addition. The database only adds up the rest, so that an account
 * with a thousand open lots costs little more than one with two.
 *
 * @param named the keys of lots, known later than the demands
 */
export async function loadLots(
  run: Run,
  demands: Demands,
  named: Promise<readonly RowKey[]>,
): Promise<LoadedLots> {
  const [byUser, others] = await Promise.all([
    loadOpenLots(run, demands),
    named.then((keys) => loadNamedLots(run, keys)),
  ]);
  for (const [userId, ofUser] of Map.groupBy(others, userIdOf)) {
    const open = byUser.get(userId) ?? [];
    const seen = new Set(open.map(({ number }) => number));
    byUser.set(userId, [...open, ...ofUser.filter(({ number }) => !seen.has(number))]);
  }
  const lots = [...byUser].map(([userId, ofUser]) => [userId, toLotsOfState(ofUser)] as const);
  return { byUser: new Map(lots), rows: byUser };
}

// All lots of an account with fewer are read: a second query that adds them up would cost more.
const FEW_LOTS = 16;

const COLUMNS = sql.raw(
  "lot.ctid, user_id, number, points, remaining, frozen, priority, expire_time",
);
const BURN_ORDER = sql.raw("priority, coalesce(expire_time, 'infinity'), number");

/** Loads open lots by user id. */
async function loadOpenLots(
  run: Run,
  demands: Demands,
): Promise<Map<string, (FoundLotRow | SummedLotRow)[]>> {
  const { rows } = await run(sql<FoundLotRow>`
    select lot.* from ${rowsOf({ user_id: texts([...demands.keys()], (id) => id) })} as demand
    cross join lateral (
      select ${COLUMNS} from points.lot where lot.user_id = demand.user_id and open
      order by ${BURN_ORDER} limit ${sql.lit(FEW_LOTS)}
    ) as lot`);
  const byUser = Map.groupBy<string, FoundLotRow | SummedLotRow>(rows, userIdOf);
  const crowded = [...demands].filter(([userId]) => byUser.get(userId)?.length === FEW_LOTS);
  if (crowded.length === 0) return byUser;
  const demanded = Map.groupBy(await loadDemandedLots(run, crowded), userIdOf);
  return new Map([...byUser, ...demanded]);
}

/** A lot's row with its ctid: where the row is until an update moves it. */
type FoundLotRow = LotRow & { ctid: string };

/** A lot's row with the sums and the number of all open lots of its user. */
type SummedLotRow = FoundLotRow & { all_remaining: string; all_frozen: string; all_count: string };

/** Loads the lots that burn first, enough for the demand, and the due lots, of users with many. */
async function loadDemandedLots(
  run: Run,
  demands: readonly (readonly [userId: string, points: bigint])[],
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
          user_id: texts(demands, ([userId]) => userId),
          demanded: sql`${texts(demands, ([, points]) => String(points))}::numeric`,
        })} as demand
        join points.lot using (user_id)
        where open
      ) as lot
    ) as lot
    where due or supply - remaining <= demanded`);
  return rows;
}

async function loadNamedLots(run: Run, named: readonly RowKey[]): Promise<readonly FoundLotRow[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<FoundLotRow>`
    select lot.ctid, lot.* from points.lot
    join ${rowsOfKeys(named, "number")} as named using (user_id, number)`);
  return rows;
}

function userIdOf({ user_id }: LotRow): string {
  return user_id;
}

function toLotsOfState(rows: readonly (FoundLotRow | SummedLotRow)[]) {
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

/** Converts a row to a lot. */
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
