import { sql } from "kysely";
import { compareBurnOrder, isDue, type Lot, newLot, sumLots } from "../../ledger/lot.ts";
import type { Micros } from "../../ledger/time.ts";
import { NOW } from "../driver/clock.ts";
import { type RowKey, rowsOf, rowsOfKeys, textOfKey, texts } from "../driver/columns.ts";
import type { LotRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { loadEntries } from "./entries.ts";
import { ROW_MAX_LOTS } from "./placement.ts";
import type { AccountPlace, LoadedLots, Rows } from "./rows.ts";

/** What a batch may do to the lots of its accounts. */
type Asked = {
  /** The points that it may take, by user id; missing: none. */
  readonly points: ReadonlyMap<string, bigint>;
  /** The lots that it names, known later. */
  readonly named: Promise<readonly RowKey[]>;
  /** What `NOW` is. */
  readonly now: Micros;
};

type Loaded = {
  /** The open lots that were loaded, by user id. */
  readonly lots: ReadonlyMap<string, LoadedLots>;
  /** The closed lots that are named, by user id. */
  readonly closed: ReadonlyMap<string, readonly Lot[]>;
};

/**
 * Loads the lots that a batch can reach. Most are in the accounts' rows, and then this sends no
 * statement. The table `lot` is read for accounts of which the batch may take more than the row has,
 * or whose clock has come, and for named lots that are not in the row. Named lots that are in
 * neither are closed, and are made again from their entries.
 */
export async function loadLots(
  run: Run,
  places: Rows["accounts"],
  { points, named, now }: Asked,
): Promise<Loaded> {
  const [burning, keys] = await Promise.all([
    loadBurningLots(run, demandsOf(places, points, now)),
    named,
  ]);
  const missing = withoutFound(keys, places, burning);
  const mayBeInTable = missing.filter(({ userId }) => places.get(userId)!.beyond.count > 0);
  const inTable = await loadNamedLots(run, mayBeInTable);
  const closed = await loadClosedLots(run, withoutFound(missing, places, inTable));

  const burningOf = Map.groupBy(burning, userIdOf);
  const namedOf = Map.groupBy(inTable, userIdOf);
  const lots = [...places].map(([userId, place]) => {
    const ofUser = { burning: burningOf.get(userId), named: namedOf.get(userId) };
    return [userId, toLoadedLots(place, ofUser, now)] as const;
  });
  return { lots: new Map(lots), closed };
}

/** A lot of the table with the ctid of its row. */
type FoundLot = { readonly userId: string; readonly lot: Lot; readonly ctid: string };

/** The points to load beyond the row's lots; negative: only what is due. */
type Demand = { readonly userId: string; readonly points: bigint };

function demandsOf(
  places: Rows["accounts"],
  points: Asked["points"],
  now: Micros,
): readonly Demand[] {
  const demands: Demand[] = [];
  for (const [userId, { lots, beyond, dueTime }] of places) {
    if (beyond.count === 0) continue;
    const supply = sumLots(lots.filter((lot) => !isDue(lot, now))).remaining;
    const lacking = (points.get(userId) ?? 0n) - supply;
    const isShort = lacking > 0n && beyond.remaining > 0n;
    const hasCome = dueTime !== null && dueTime <= now;
    if (isShort || hasCome) demands.push({ userId, points: isShort ? lacking : -1n });
  }
  return demands;
}

const COLUMNS = sql.raw(
  "lot.ctid, user_id, number, points, remaining, frozen, priority, expire_time",
);
const BURN_ORDER = sql.raw("priority, coalesce(expire_time, 'infinity'), number");

/**
 * Loads the lots of the table that burn first, enough for the demand and to fill the row again, and
 * the due lots.
 */
async function loadBurningLots(run: Run, demands: readonly Demand[]): Promise<readonly FoundLot[]> {
  if (demands.length === 0) return [];
  const { rows } = await run(sql<FoundLotRow>`
    select lot.* from (
      select lot.*,
        sum(case when due then 0 else remaining end) over (
          partition by user_id order by ${BURN_ORDER}
        ) as supply,
        count(*) filter (where remaining > 0 and not due) over (
          partition by user_id order by ${BURN_ORDER}
        ) as place
      from (
        select ${COLUMNS}, demanded, coalesce(expire_time <= ${NOW}, false) as due
        from ${rowsOf({
          user_id: texts(demands, ({ userId }) => userId),
          demanded: sql`${texts(demands, ({ points }) => String(points))}::numeric`,
        })} as demand
        join points.lot using (user_id)
      ) as lot
    ) as lot
    where due or (demanded >= 0
      and (supply - remaining <= demanded or place <= ${sql.lit(ROW_MAX_LOTS)}))`);
  return rows.map(toFoundLot);
}

async function loadNamedLots(run: Run, named: readonly RowKey[]): Promise<readonly FoundLot[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<FoundLotRow>`
    select ${COLUMNS} from points.lot
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
    const { userId, sequence: number, allocations, priority, expireTime, kind } = entry;
    const own = allocations.find(({ lot }) => lot === number);
    if (own === undefined || (kind !== "recharge" && kind !== "refund")) return [];
    const lot = newLot({ number, points: own.points, priority, expireTime });
    return [{ userId, lot: { ...lot, remaining: 0n } }];
  });
  const byUser = Map.groupBy(closed, userIdOf);
  return new Map([...byUser].map(([userId, ofUser]) => [userId, ofUser.map(({ lot }) => lot)]));
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
  readonly burning: readonly FoundLot[] | undefined;
  readonly named: readonly FoundLot[] | undefined;
};

function toLoadedLots(
  { lots: row, beyond }: AccountPlace,
  { burning = [], named = [] }: FoundOfUser,
  now: Micros,
): LoadedLots {
  const found = [...burning, ...named];
  const table = found.map(({ lot }) => lot);
  const { remaining, frozen } = sumLots(table);
  // The lots that were read for a demand are the first of all that are not due.
  const first = burning.map(({ lot }) => lot).filter((lot) => !isDue(lot, now));
  return {
    row,
    table,
    beyond: {
      remaining: beyond.remaining - remaining,
      frozen: beyond.frozen - frozen,
      count: beyond.count - table.length,
    },
    frontier:
      first.length > 0
        ? first.toSorted(compareBurnOrder).at(-1)
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
