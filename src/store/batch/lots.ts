import { sql } from "kysely";
import { compareBurnOrder, type Lot, newLot, sumLots } from "../../ledger/lot.ts";
import type { Micros } from "../../ledger/time.ts";
import { type RowKey, rowsOf, rowsOfKeys, textOfKey, texts, times } from "../driver/columns.ts";
import type { LotRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { type DueAccount, rowsOfDueAccounts } from "./due-accounts.ts";
import type { Entry } from "../../ledger/entry.ts";
import { loadEntries } from "./entries.ts";
import { ROW_MAX_LOTS } from "./placement.ts";
import type { AccountPlace, LoadedLots, Rows } from "./rows.ts";

/** What a batch may do to the lots of its accounts. */
type Asked = {
  readonly demands: readonly Demand[];
  /** The lots that commands expire: they supply nothing to a demand. */
  readonly expired: readonly RowKey[];
  /** The due lots of the table, and the lots that the batch names otherwise. */
  readonly due: Promise<readonly FoundLot[]>;
  readonly named: Promise<readonly RowKey[]>;
};

/** More points than the lots of an account's row have that are not due by the account's time. */
export type Demand = { readonly userId: string; readonly points: bigint; readonly time: Micros };

type Loaded = {
  /** The open lots that were loaded, by user id. */
  readonly lots: ReadonlyMap<string, LoadedLots>;
  /** The closed lots that are named, by user id. */
  readonly closed: ReadonlyMap<string, readonly Lot[]>;
};

/**
 * Loads the lots that a batch can reach. Most are in the accounts' rows, and then this sends no
 * statement. The table `lot` is read for accounts of which the batch may take more than the row has,
 * and for named lots that are not in the row. Named lots that are in neither are closed, and are made
 * again from their entries.
 */
export async function loadLots(
  run: Run,
  places: Rows["accounts"],
  { demands, expired, due, named }: Asked,
): Promise<Loaded> {
  const [burning, dueLots, keys] = await Promise.all([
    loadBurningLots(run, demands, expired),
    due,
    named,
  ]);
  const missing = withoutFound(keys, places, [...burning, ...dueLots]);
  const mayBeInTable = missing.filter(({ userId }) => places.get(userId)!.beyond.count > 0);
  const inTable = await loadNamedLots(run, mayBeInTable);
  const closed = await loadClosedLots(run, withoutFound(missing, places, inTable));

  const burningOf = Map.groupBy(burning, userIdOf);
  const othersOf = Map.groupBy([...dueLots, ...inTable], userIdOf);
  const lots = [...places].map(([userId, place]) => {
    const ofUser = { burning: burningOf.get(userId), others: othersOf.get(userId) };
    return [userId, toLoadedLots(place, ofUser)] as const;
  });
  return { lots: new Map(lots), closed };
}

/** A lot of the table with the ctid of its row. */
export type FoundLot = { readonly userId: string; readonly lot: Lot; readonly ctid: string };

const COLUMNS = sql.raw(
  "lot.ctid, user_id, number, points, remaining, frozen, priority, expire_time",
);
const BURN_ORDER = sql.raw("priority, coalesce(expire_time, 'infinity'), number");

/**
 * Loads the lots of the table that burn first, enough for the demands and to fill the rows again.
 *
 * @param expired lots that supply nothing
 */
async function loadBurningLots(
  run: Run,
  demands: readonly Demand[],
  expired: readonly RowKey[],
): Promise<readonly FoundLot[]> {
  if (demands.length === 0) return [];
  const { rows } = await run(sql<FoundLotRow>`
    select lot.* from (
      select lot.*,
        sum(case when expired then 0 else remaining end) over (
          partition by user_id order by ${BURN_ORDER}
        ) as supply,
        count(*) over (partition by user_id order by ${BURN_ORDER}) as place
      from (
        select ${COLUMNS}, demanded, expired.number is not null as expired
        from ${rowsOf({
          user_id: texts(demands, ({ userId }) => userId),
          demanded: sql`${texts(demands, ({ points }) => String(points))}::numeric`,
          time: times(demands, ({ time }) => time),
        })} as demand
        join lot using (user_id)
        left join ${rowsOfKeys(expired, "number")} as expired using (user_id, number)
        where remaining > 0 and (expire_time is null or expire_time > demand.time)
      ) as lot
    ) as lot
    where supply - remaining <= demanded or place <= ${sql.lit(ROW_MAX_LOTS)}`);
  return rows.map(toFoundLot);
}

/**
 * Loads the due lots of the table: of each account those that are booked first, `max` at most.
 *
 * @param max undefined: all
 */
export async function loadDueLots(
  run: Run,
  dueAccounts: readonly DueAccount[],
  max?: number,
): Promise<readonly FoundLot[]> {
  if (dueAccounts.length === 0) return [];
  const { rows } = await run(sql<FoundLotRow>`
    select lot.* from ${rowsOfDueAccounts(dueAccounts)} as asked
    cross join lateral (
      select ${COLUMNS} from lot
      where lot.user_id = asked.user_id and remaining > 0 and expire_time <= asked.time
      order by greatest(expire_time, asked.update_time), number
      limit ${max === undefined ? sql`null` : sql.lit(max)}
    ) as lot`);
  return rows.map(toFoundLot);
}

async function loadNamedLots(run: Run, named: readonly RowKey[]): Promise<readonly FoundLot[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<FoundLotRow>`
    select ${COLUMNS} from lot
    join ${rowsOfKeys(named, "number")} as named using (user_id, number)`);
  return rows.map(toFoundLot);
}

/** Makes closed lots again from the entries that made them, by user id. */
async function loadClosedLots(
  run: Run,
  named: readonly RowKey[],
): Promise<ReadonlyMap<string, readonly Lot[]>> {
  if (named.length === 0) return new Map();
  const closed = (await loadEntries(run, named)).flatMap((entry) => {
    const { userId, sequence: number, priority, expireTime } = entry;
    const points = pointsOfLot(entry);
    if (points === 0n) return [];
    const lot = newLot({ number, points, priority, expireTime });
    return [{ userId, lot: { ...lot, remaining: 0n } }];
  });
  const byUser = Map.groupBy(closed, userIdOf);
  return new Map([...byUser].map(([userId, ofUser]) => [userId, ofUser.map(({ lot }) => lot)]));
}

/** The points of the lot that an entry made; 0: it made none. */
function pointsOfLot({ kind, sequence, points, allocations }: Entry): bigint {
  if (kind === "recharge") return points;
  if (kind !== "refund") return 0n;
  return allocations.find(({ lot }) => lot === sequence)?.points ?? 0n;
}

/** The keys of lots that are neither in their account's row nor among these of the table. */
function withoutFound(
  keys: readonly RowKey[],
  places: Rows["accounts"],
  found: readonly FoundLot[],
): readonly RowKey[] {
  if (keys.length === 0) return [];
  const seen = new Set(found.map(({ userId, lot }) => textOfKey(userId, lot.number)));
  for (const userId of new Set(keys.map(userIdOf))) {
    for (const { number } of places.get(userId)!.lots) seen.add(textOfKey(userId, number));
  }
  return keys.filter(({ userId, number }) => !seen.has(textOfKey(userId, number)));
}

type FoundOfUser = {
  /** Of all that can be spent these burn first. */
  readonly burning: readonly FoundLot[] | undefined;
  readonly others: readonly FoundLot[] | undefined;
};

function toLoadedLots(
  { lots: row, beyond }: AccountPlace,
  { burning = [], others = [] }: FoundOfUser,
): LoadedLots {
  const found = [...burning, ...others];
  const table = found.map(({ lot }) => lot);
  const { remaining, frozen } = sumLots(table);
  return {
    row,
    table,
    beyond: {
      remaining: beyond.remaining - remaining,
      frozen: beyond.frozen - frozen,
      count: beyond.count - table.length,
    },
    frontier:
      burning.length > 0
        ? burning
            .map(({ lot }) => lot)
            .toSorted(compareBurnOrder)
            .at(-1)
        : row.findLast((lot) => lot.remaining > 0n),
    ctids: new Map(found.map(({ lot, ctid }) => [lot.number, ctid])),
  };
}

type FoundLotRow = LotRow & { readonly ctid: string };

function toFoundLot(row: FoundLotRow): FoundLot {
  return { userId: row.user_id, lot: toLot(row), ctid: row.ctid };
}

function userIdOf({ userId }: { readonly userId: string }): string {
  return userId;
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
