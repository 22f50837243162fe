import { sql } from "kysely";
import { admits, isDue, isScoped, type Lot } from "../../ledger/lot.ts";
import { type RowKey, rowsOf, rowsOfKeys, textOfKey, texts, times } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import type { Demand } from "./demands.ts";
import {
  BURN_ORDER,
  type FoundLot,
  type FoundLotRow,
  LOT_COLUMNS,
  toFoundLot,
} from "./found-lots.ts";
import { ROW_MAX_LOTS } from "./placement.ts";

/** The lots of the table that burn first for the demands. */
export type BurningLots = {
  /** Each once. */
  readonly found: readonly FoundLot[];
  /**
   * By user id, the last of those that burn before all others of the table that can be spent;
   * missing: no such lots were looked for.
   */
  readonly frontiers: ReadonlyMap<string, Lot>;
  /** What each service asked for may take of lots that not all may take, by user id and service. */
  readonly scopedOf: ReadonlyMap<string, ReadonlyMap<string, bigint>>;
};

/**
 * Loads the lots of the table that burn first, enough for the demands and to fill the rows again. Of
 * lots that only some services may take, it loads for each service asked for as many as cover the
 * whole demand.
 *
 * @param expired lots that supply nothing
 */
export async function loadBurningLots(
  run: Run,
  demands: readonly Demand[],
  expired: readonly RowKey[],
): Promise<BurningLots> {
  if (demands.length === 0) return NONE;
  const [first, scoped] = await Promise.all([
    loadFirst(
      run,
      demands.filter(({ points }) => points > 0n),
      expired,
    ),
    loadScoped(run, demands.flatMap(ofServices), expired),
  ]);
  const once = new Map<string, FoundLot>();
  for (const row of [...first, ...scoped]) {
    once.set(textOfKey(row.user_id, row.number), toFoundLot(row));
  }
  const scopedOf = new Map<string, Map<string, bigint>>();
  for (const { user_id, service, usable } of scoped) {
    if (service === null) continue;
    const ofUser = scopedOf.get(user_id);
    if (ofUser === undefined) scopedOf.set(user_id, new Map([[service, BigInt(usable)]]));
    else ofUser.set(service, BigInt(usable));
  }
  return { found: [...once.values()], frontiers: frontiersOf(first), scopedOf };
}

/**
 * What services may take of the lots of a table that were not loaded.
 *
 * @param all what they may take of all lots that are not due
 * @param time when the lots are due or not
 */
export function withoutLoaded(
  all: ReadonlyMap<string, bigint>,
  loaded: readonly Lot[],
  time: bigint,
): ReadonlyMap<string, bigint> {
  const scoped = loaded.filter((lot) => isScoped(lot) && !isDue(lot, time));
  return new Map(
    [...all].map(([service, points]) => [
      service,
      scoped.reduce((left, lot) => (admits(lot, service) ? left - lot.remaining : left), points),
    ]),
  );
}

const NONE: BurningLots = { found: [], frontiers: new Map(), scopedOf: new Map() };

type PlacedRow = FoundLotRow & { readonly place: string };

/** Lots that anything may take, and those that the row takes. `place` is that in burn order. */
async function loadFirst(
  run: Run,
  demands: readonly Demand[],
  expired: readonly RowKey[],
): Promise<readonly PlacedRow[]> {
  if (demands.length === 0) return [];
  const { rows } = await run(sql<PlacedRow>`
    select lot.* from (
      select lot.*,
        sum(case when expired or services is not null then 0 else remaining end) over (
          partition by user_id order by ${BURN_ORDER}
        ) as supply,
        count(*) over (partition by user_id order by ${BURN_ORDER}) as place
      from (
        select ${LOT_COLUMNS}, demanded, expired.number is not null as expired
        from ${rowsOf(columnsOf(demands))} as demand
        join lot using (user_id)
        left join ${rowsOfKeys(expired, "number")} as expired using (user_id, number)
        where remaining > 0 and (expire_time is null or expire_time > demand.time)
      ) as lot
    ) as lot
    where (services is null and supply - remaining <= demanded)
      or place <= ${sql.lit(ROW_MAX_LOTS)}`);
  return rows;
}

type ScopedDemand = Demand & { readonly service: string | null };

type ScopedRow = FoundLotRow & { readonly service: string | null; readonly usable: string };

/** A row for each service with such lots, at least; `usable` is what it may take of all of them. */
async function loadScoped(
  run: Run,
  demands: readonly ScopedDemand[],
  expired: readonly RowKey[],
): Promise<readonly ScopedRow[]> {
  if (demands.length === 0) return [];
  const { rows } = await run(sql<ScopedRow>`
    select lot.* from (
      select lot.*,
        sum(case when expired then 0 else remaining end) over (
          partition by user_id, service order by ${BURN_ORDER}
        ) as supply,
        sum(remaining) over (partition by user_id, service) as usable
      from (
        select ${LOT_COLUMNS}, demanded, service, expired.number is not null as expired
        from ${rowsOf({
          ...columnsOf(demands),
          service: texts(demands, ({ service }) => service),
        })} as demand
        join lot using (user_id)
        left join ${rowsOfKeys(expired, "number")} as expired using (user_id, number)
        where remaining > 0 and (expire_time is null or expire_time > demand.time)
          and services is not null and (service is null or service = any(services))
      ) as lot
    ) as lot
    where supply - remaining <= demanded`);
  return rows;
}

function columnsOf(demands: readonly Demand[]) {
  return {
    user_id: texts(demands, ({ userId }) => userId),
    demanded: sql`${texts(demands, ({ points }) => String(points))}::numeric`,
    time: times(demands, ({ time }) => time),
  };
}

function ofServices(demand: Demand): readonly ScopedDemand[] {
  return demand.services.map((service) => ({ ...demand, service }));
}

/** The last lot of the places that follow each other from the first on, by user id. */
function frontiersOf(rows: readonly PlacedRow[]): ReadonlyMap<string, Lot> {
  const frontiers = new Map<string, Lot>();
  const places = new Map<string, number>();
  for (const row of rows.toSorted((a, b) => Number(a.place) - Number(b.place))) {
    const next = (places.get(row.user_id) ?? 0) + 1;
    if (Number(row.place) !== next) continue;
    places.set(row.user_id, next);
    frontiers.set(row.user_id, toFoundLot(row).lot);
  }
  return frontiers;
}
