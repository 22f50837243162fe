import { sql } from "kysely";
import { type Lot, newLot } from "../../ledger/lot.ts";
import { type RowKey, rowsOfKeys, textOfKey } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import { loadBurningLots, withoutLoaded } from "./burning-lots.ts";
import type { Demand } from "./demands.ts";
import { type DueAccount, rowsOfDueAccounts } from "./due-accounts.ts";
import type { Entry } from "../../ledger/entry.ts";
import { loadEntries } from "./entries.ts";
import { type FoundLot, type FoundLotRow, LOT_COLUMNS, toFoundLot } from "./found-lots.ts";
import { sumBeyond } from "./placement.ts";
import type { AccountPlace, LoadedLots, Rows } from "./rows.ts";

/** Whether an allowance gave the lot, so that its expiry wakes nobody. */
export const IS_QUIET = sql`exists (
  select from policy
  where policy.user_id = lot.user_id and policy.member = '' and lot.number = any(policy.given)
)`;

/** What a batch may do to the lots of its accounts. */
type Asked = {
  readonly demands: readonly Demand[];
  /** The lots that commands expire: they supply nothing to a demand. */
  readonly expired: readonly RowKey[];
  /** The due lots of the table, and the lots that the batch names otherwise. */
  readonly due: Promise<readonly FoundLot[]>;
  readonly named: Promise<readonly RowKey[]>;
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
  const missing = withoutFound(keys, places, [...burning.found, ...dueLots]);
  const mayBeInTable = missing.filter(({ userId }) => places.get(userId)!.beyond.count > 0);
  const inTable = await loadNamedLots(run, mayBeInTable);
  const closed = await loadClosedLots(run, withoutFound(missing, places, inTable));

  const foundOf = Map.groupBy([...burning.found, ...dueLots, ...inTable], userIdOf);
  const timeOf = new Map(demands.map(({ userId, time }) => [userId, time]));
  const lots = [...places].map(([userId, place]) => {
    const found = foundOf.get(userId) ?? NO_LOTS;
    const all = burning.scopedOf.get(userId);
    const loaded = found.map(({ lot }) => lot);
    const scopedOf =
      all === undefined ? NO_POINTS : withoutLoaded(all, loaded, timeOf.get(userId)!);
    const frontier = burning.frontiers.get(userId);
    return [userId, { ...toLoadedLots(place, found, frontier), scopedOf }] as const;
  });
  return { lots: new Map(lots), closed };
}

/**
 * Loads the due lots of the table that are not quiet: of each account those that are booked first,
 * `max` at most.
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
      select ${LOT_COLUMNS} from lot
      where lot.user_id = asked.user_id and remaining > 0 and expire_time <= asked.time
        and not ${IS_QUIET}
      order by greatest(expire_time, asked.update_time), number
      limit ${max === undefined ? sql`null` : sql.lit(max)}
    ) as lot`);
  return rows.map(toFoundLot);
}

/**
 * Loads the due lots of the table whose expiry wakes nobody: all, since they come before what wakes.
 * An allowance's points expire as another period begins, or after its last one.
 */
export async function loadQuietLots(
  run: Run,
  accounts: readonly DueAccount[],
): Promise<readonly FoundLot[]> {
  if (accounts.length === 0) return [];
  const { rows } = await run(sql<FoundLotRow>`
    select ${LOT_COLUMNS} from ${rowsOfDueAccounts(accounts)} as asked
    join policy using (user_id)
    cross join lateral unnest(given) as quiet (number)
    join lot using (user_id, number)
    where policy.member = '' and coalesce(next_time <= asked.time, true)
      and remaining > 0 and expire_time <= asked.time`);
  return rows.map(toFoundLot);
}

async function loadNamedLots(run: Run, named: readonly RowKey[]): Promise<readonly FoundLot[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<FoundLotRow>`
    select ${LOT_COLUMNS} from lot
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
    const { userId, sequence: number, priority, expireTime, category, services } = entry;
    const points = pointsOfLot(entry);
    if (points === 0n) return [];
    const made = { number, points, priority, expireTime, category, services };
    return [{ userId, lot: { ...newLot(made), remaining: 0n } }];
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

const NO_LOTS: readonly FoundLot[] = [];
const NO_POINTS: ReadonlyMap<string, bigint> = new Map();

function toLoadedLots(
  { lots: row, beyond }: AccountPlace,
  found: readonly FoundLot[],
  frontier: Lot | undefined,
): Omit<LoadedLots, "scopedOf"> {
  const table = found.map(({ lot }) => lot);
  const { remaining, frozen, count, scoped } = sumBeyond(table);
  return {
    row,
    table,
    beyond: {
      remaining: beyond.remaining - remaining,
      frozen: beyond.frozen - frozen,
      count: beyond.count - count,
      scoped: beyond.scoped - scoped,
    },
    frontier: frontier ?? row.findLast((lot) => lot.remaining > 0n),
    ctids: new Map(found.map(({ lot, ctid }) => [lot.number, ctid])),
  };
}

function userIdOf({ userId }: { readonly userId: string }): string {
  return userId;
}
