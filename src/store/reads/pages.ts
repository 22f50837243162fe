import { sql } from "kysely";
import type { Revocation } from "../../ledger/claim.ts";
import type { Entry, EntryKind } from "../../ledger/entry.ts";
import type { Hold } from "../../ledger/hold.ts";
import type { Lot } from "../../ledger/lot.ts";
import type { Micros } from "../../ledger/time.ts";
import { toEntry } from "../batch/entries.ts";
import { KIND_NUMBERS } from "../../ledger/entry-kinds.ts";
import { toHold } from "../batch/holds.ts";
import { BURN_ORDER, toLot } from "../batch/found-lots.ts";
import { EntryEntity, type EntryRow, type HoldRow, type LotRow } from "../driver/entities.ts";
import { toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import type { Run } from "../driver/transaction.ts";

// Pages by keyset cursor: a page begins behind the key of the last row of the page before, so that it
// neither skips nor repeats rows while new ones are written. SQL by hand, since the ORM has neither
// row comparisons nor window functions.

/** A page of a journal: of a user's entries that match. */
export type EntryQuery = {
  readonly userId: string;
  /** Empty: all. */
  readonly kinds: readonly EntryKind[];
  /** The entries from this instant on. */
  readonly startTime: Micros | undefined;
  /** The entries before this instant. */
  readonly endTime: Micros | undefined;
  /** The service of its usage, its member and its actor. Empty: all. */
  readonly service: string;
  readonly member: string;
  readonly actor: string;
  /** The cursor: entries below this sequence; undefined: from the newest. */
  readonly before: bigint | undefined;
  readonly limit: number;
};

// A page scans at most 5,000 entries, however few of them match: a rare kind then costs no more than
// any page.
const SCAN_MAX_ENTRIES = 5_000;

// A page ends after 16,384 allocations. An entry or a hold may have thousands of lots, and the server
// reads a whole page before it knows its size.
export const PAGE_MAX_LOTS = 16_384;

/**
 * A page of a journal, newest entry first.
 *
 * @returns the entries, the account's salt (empty without entries), and the next page's cursor,
 * undefined at the end. Before the end a page may have fewer than `limit` entries, or none: see
 * SCAN_MAX_ENTRIES and PAGE_MAX_LOTS
 */
export async function readEntries(
  run: Run,
  { userId, kinds, startTime, endTime, service, member, actor, before, limit }: EntryQuery,
): Promise<{ entries: readonly Entry[]; salt: Uint8Array; next: bigint | undefined }> {
  const numbers = kinds.map((kind) => KIND_NUMBERS[kind]);
  const from = startTime === undefined ? "-infinity" : toTimestamptz(startTime);
  const to = endTime === undefined ? "infinity" : toTimestamptz(endTime);
  const { rows } = await run(sql<EntryRow & { matches: boolean; salt: Uint8Array }>`
    with looked_at as (
      select *, (
        (cardinality(${numbers}::smallint[]) = 0 or kind = any(${numbers}::smallint[]))
        and create_time >= ${from}::timestamptz and create_time < ${to}::timestamptz
        and (${service}::text = '' or coalesce(service = ${service}::text, false))
        and (${member}::text = '' or coalesce(member = ${member}::text, false))
        and (${actor}::text = '' or coalesce(actor = ${actor}::text, false))
      ) as matches
      from entry
      where user_id = ${userId} and sequence < ${before ?? 2n ** 63n - 1n}
      order by sequence desc limit ${SCAN_MAX_ENTRIES}
    ), scanned as (
      select *, ${lotsBefore("sequence", sql`matches`)} as lots_before,
        (select salt from account where user_id = ${userId}) as salt
      from looked_at
    ), last as (
      select * from scanned order by sequence limit 1
    )
    (select * from scanned
      where matches and lots_before < ${PAGE_MAX_LOTS} order by sequence desc limit ${limit})
    union all
    (select * from last where not matches)`);

  const entries = rows.filter(({ matches }) => matches).map(toEntry);
  const lowest = rows.at(-1) === undefined ? 1n : BigInt(rows.at(-1)!.sequence);
  const isFull = entries.length === limit || countLots(entries) >= PAGE_MAX_LOTS;
  const next = isFull ? entries.at(-1)!.sequence : lowest;
  const salt = rows[0]?.salt ?? new Uint8Array();
  return { entries, salt, next: next === 1n ? undefined : next };
}

// A page of a journal that is replayed: each page is a query of its own.
const REPLAYED_ENTRIES = 500;

/** A page of a journal, oldest entry first: the entries after one sequence, up to another. */
export async function readJournal(
  orm: Orm,
  { userId, after, upTo }: { userId: string; after: bigint; upTo: bigint },
): Promise<readonly Entry[]> {
  const rows = await orm.em
    .fork()
    .createQueryBuilder(EntryEntity)
    .select("*")
    .where({ userId, sequence: { $gt: after, $lte: upTo } })
    .orderBy({ sequence: "asc" })
    .limit(REPLAYED_ENTRIES)
    .execute<EntryRow[]>("all", false);
  return rows.map(toEntry);
}

/** A lot's place in burn order. */
export type LotCursor = Pick<Lot, "priority" | "expireTime" | "number"> & {
  readonly isScoped: boolean;
  /** The account's when the lot was shown: behind this place an older state may lack lots. */
  readonly sequence: bigint;
};

/** A lot, and what was revoked of it. */
export type LotNow = Lot & Revocation;

/**
 * A page of the lots that have points, or of which points are claimed, in burn order. Expired lots are
 * shown, with nothing remaining, only while holds have points of them or claims wait for some.
 *
 * @param query `after` is the keyset cursor, a place in burn order: lots behind this one; undefined:
 * from the first
 */
export async function readLots(
  run: Run,
  { userId, after, limit }: { userId: string; after: LotCursor | undefined; limit: number },
): Promise<readonly LotNow[]> {
  const place = after ?? { priority: -1, isScoped: true, expireTime: null, number: 0n };
  const expireTime = place.expireTime === null ? "infinity" : toTimestamptz(place.expireTime);
  const { rows } = await run(sql<LotNowRow>`
    select lot.*, coalesce(undone.revoked, 0) as revoked, coalesce(undone.claimed, 0) as claimed,
      expire_time is not null and expire_time <= statement_timestamp() as due
    from (${OPEN_LOTS} where user_id = ${userId} union all ${CLOSED_WITH_CLAIM}
        where user_id = ${userId} and claimed > 0 and not exists (
          select from open_lot where user_id = ${userId} and number = undone.sequence)) as lot
    left join undone on undone.user_id = ${userId} and undone.sequence = number
    where (${BURN_ORDER}) > (${place.priority}::smallint, ${!place.isScoped}::boolean,
        ${expireTime}::timestamptz, ${place.number}::bigint)
      and (frozen > 0 or claimed > 0 or expire_time is null or expire_time > statement_timestamp())
    order by ${BURN_ORDER}
    limit ${limit}`);
  return rows.map((row) => ({
    ...toLot(row),
    ...(row.due && { remaining: 0n }),
    revoked: BigInt(row.revoked),
    claimed: BigInt(row.claimed),
  }));
}

type LotNowRow = LotRow & { due: boolean; revoked: string; claimed: string };

const OPEN_LOTS = sql`select number, points, remaining, frozen, priority, expire_time, category,
  services from open_lot`;

/** A closed lot is what the entry that made it says: a RECHARGE, or a REFUND by an allocation to it. */
const CLOSED_WITH_CLAIM = sql`
  select sequence, case kind when ${sql.lit(KIND_NUMBERS.recharge)} then points else (
      select part.points from unpack_allocations(allocations) as part where part.lot = sequence
    ) end, 0, 0, coalesce(priority, 0::smallint), expire_time, category, services
  from undone join entry using (user_id, sequence)`;

/** A page of a user's holds. */
export type HoldQuery = {
  readonly userId: string;
  /** Leaves out holds that are closed or past their time. */
  readonly openOnly: boolean;
  /** The cursor: holds below this number; undefined: from the newest. */
  readonly before: bigint | undefined;
  readonly limit: number;
};

/**
 * A page of holds, newest first. An open hold past its time is shown as expired.
 *
 * @returns the holds, and whether there may be more
 */
export async function readHolds(
  run: Run,
  { userId, openOnly, before, limit }: HoldQuery,
): Promise<{ holds: readonly Hold[]; isFull: boolean }> {
  // Open holds are bounded in number and have an index of their own. Without `offset 0`, the planner
  // would search the closed holds for them.
  const ofUser = openOnly
    ? sql`(select * from hold where user_id = ${userId} and status = 'open'
        and expire_time > statement_timestamp() offset 0)`
    : sql`(select * from hold where user_id = ${userId})`;
  const { rows } = await run(sql<HoldRow & { due: boolean }>`
    select *, status = 'open' and expire_time <= statement_timestamp() as due
    from (
      select *, ${lotsBefore("number")} as lots_before
      from (
        select * from ${ofUser} as hold where number < ${before ?? 2n ** 63n - 1n}
        order by number desc limit ${limit}
      ) as hold
    ) as hold
    where lots_before < ${PAGE_MAX_LOTS}
    order by number desc`);
  const holds = rows.map((row) => {
    const hold = toHold(row);
    return row.due ? ({ ...hold, status: "expired" } as const) : hold;
  });
  return { holds, isFull: holds.length === limit || countLots(holds) >= PAGE_MAX_LOTS };
}

/** SQL for the number of allocations in the rows of a page before the current one. */
function lotsBefore(number: "number" | "sequence", counts = sql`true`) {
  const lots =
    number === "number"
      ? lotsIn("allocations")
      : sql`(${lotsIn("allocations")} + ${lotsIn("hold_allocations")})`;
  return sql`coalesce(sum(${lots}) filter (where ${counts}) over (
    order by ${sql.raw(number)} desc rows between unbounded preceding and 1 preceding), 0)`;
}

/**
 * SQL for how many allocations a column has, by their length and the width that the first byte says: see
 * packed-allocations.ts.
 */
export function lotsIn(column: string) {
  const packed = sql.raw(column);
  return sql`coalesce((octet_length(${packed}) - 1)
    / ((get_byte(${packed}, 0) >> 4) + (get_byte(${packed}, 0) & 15)), 0)`;
}

function countLots(page: readonly (Pick<Hold, "allocations"> & Partial<Entry>)[]): number {
  return page.reduce((sum, { allocations, holdAfter }) => {
    return sum + allocations.length + (holdAfter?.allocations.length ?? 0);
  }, 0);
}
