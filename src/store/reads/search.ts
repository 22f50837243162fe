import { sql } from "kysely";
import type { Entry } from "../../ledger/entry.ts";
import type { Micros } from "../../ledger/time.ts";
import { toEntry } from "../batch/entries.ts";
import { columnsOf, EntryEntity, type EntryRow } from "../driver/entities.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { CAUGHT_UP_TO } from "../projection/caught-up.ts";
import { goByIndex } from "./go-by-index.ts";
import { beginsWith, endOfPrefix } from "./id-range.ts";
import { lotsIn, PAGE_MAX_LOTS } from "./pages.ts";

/** What entries have: a request id, an actor, or a value of a key of metadata. */
export type Term = {
  readonly field: "request_id" | "actor" | "metadata";
  /** Empty, but for metadata. */
  readonly key: string;
  readonly value: string;
};

/** A place among the entries that have a term, which go by time, user id and sequence. */
export type TermCursor = {
  readonly time: Micros;
  readonly userId: string;
  readonly sequence: bigint;
};

/** A page of the entries that have a term. */
type TermQuery = {
  readonly term: Term;
  readonly userIdPrefix: string;
  /** The entries from this instant on. */
  readonly startTime: Micros | undefined;
  /** The entries before this instant. */
  readonly endTime: Micros | undefined;
  /** The cursor: entries below this place; undefined: from the newest. */
  readonly before: TermCursor | undefined;
  readonly limit: number;
};

/** What was found. */
type TermPage = {
  /** The keys of metadata that the index has; null: nobody has begun to build it. */
  readonly searchKeys: readonly string[] | null;
  /** null: it is being built. */
  readonly caughtUpTo: Micros | null;
  /** Newest first, each with its account's salt. */
  readonly found: readonly { readonly entry: Entry; readonly salt: Uint8Array }[];
  /** The next page's cursor, undefined at the end. */
  readonly next: TermCursor | undefined;
};

// A page looks at so many places and days, however few of them are of the users asked for: a rare user
// and a long time then cost no more than any page.
const LOOK_MAX_TERMS = 5_000;
const LOOK_MAX_DAYS = 4_000;

/**
 * A page of the entries that have a term, newest first. An entry whose term has the same hash, or that
 * was erased since, is left out. Before the end a page may have fewer entries than `limit`, or none.
 */
export async function readTerms(run: Run, query: TermQuery): Promise<TermPage> {
  await goByIndex(run);
  const { rows } = await run(statementOf(query));
  const { search_keys: searchKeys, caught_up_to: caughtUpTo } = rows[0]!;
  return {
    searchKeys,
    caughtUpTo: caughtUpTo === null ? null : fromTimestamptz(caughtUpTo),
    found: rows.flatMap((row) =>
      row.hash === null ? [] : [{ entry: toEntry(row), salt: row.salt }],
    ),
    next: nextOf(rows, query),
  };
}

/** The place of an entry. */
export function placeOfEntry({ time, userId, sequence }: Entry): TermCursor {
  return { time, userId, sequence };
}

/** A row for each place of the page, with its entry unless that lacks the term; or one without a place. */
type FoundRow = EntryRow & {
  readonly search_keys: readonly string[] | null;
  readonly caught_up_to: string | null;
  readonly salt: Uint8Array;
  readonly place_time: string | null;
  readonly place_user: string | null;
  readonly place_sequence: string | null;
  readonly page_size: string;
  readonly looked_at: string;
  readonly last_time: string | null;
  readonly last_user: string | null;
  readonly last_sequence: string | null;
  readonly first_day: number | null;
  readonly last_day: number | null;
};

function statementOf({ term, userIdPrefix, startTime, endTime, before, limit }: TermQuery) {
  const { field, key, value } = term;
  const from = startTime === undefined ? "-infinity" : toTimestamptz(startTime);
  const below = before ?? (endTime === undefined ? undefined : startOf(endTime));
  const to = below === undefined ? "infinity" : toTimestamptz(below.time);
  const firstDay = startTime === undefined ? null : dayOf(startTime);
  const lastDay = below === undefined ? null : dayOf(below.time);
  // Days are probed one after the other, the newest first, and no further than the page needs: the
  // places come in the order in which the nested loop finds them.
  return sql<FoundRow>`
    with days as (
      select greatest((select min(day) from search_term), ${firstDay}::integer) as first,
        least((select max(day) from search_term), ${lastDay}::integer) as last
    ), looked_at as materialized (
      select place.* from days
      cross join generate_series(last, greatest(first, last - ${sql.lit(LOOK_MAX_DAYS - 1)}), -1)
        as probed (day)
      cross join lateral (
        select create_time, user_id, sequence from search_term
        where search_term.day = probed.day
          and term = term_of(${field}::text, ${key}::text, ${value}::text)
          and create_time >= ${from}::timestamptz
          and (create_time, user_id, sequence) < (${to}::timestamptz, ${below?.userId ?? ""}::text,
            ${below?.sequence ?? 0n}::bigint)
        order by create_time desc, user_id desc, sequence desc
        limit ${sql.lit(LOOK_MAX_TERMS)}
      ) as place
      limit ${sql.lit(LOOK_MAX_TERMS)}
    ), page as (
      select * from looked_at where ${beginsWith("user_id", userIdPrefix)}
      order by create_time desc, user_id desc, sequence desc limit ${limit}
    ), last as (
      select * from looked_at order by create_time, user_id, sequence limit 1
    ), found as (
      select page.create_time as place_time, page.user_id as place_user,
        page.sequence as place_sequence, ${columnsOf(EntryEntity, "entry")}, account.salt,
        coalesce(sum(${lotsIn("entry.allocations")} + ${lotsIn("entry.hold_allocations")}) over (
          order by page.create_time desc, page.user_id desc, page.sequence desc
          rows between unbounded preceding and 1 preceding), 0) as lots_before
      from page
      left join entry on entry.user_id = page.user_id and entry.sequence = page.sequence
        and entry.create_time = page.create_time
        and case ${field}::text when 'request_id' then request_id = ${value}::text
          when 'actor' then actor = ${value}::text
          else metadata ->> ${key}::text = ${value}::text end
      left join account on account.user_id = entry.user_id
    )
    select found.*, projection.search_keys, ${CAUGHT_UP_TO} as caught_up_to,
      (select count(*) from page) as page_size, (select count(*) from looked_at) as looked_at,
      last.create_time as last_time, last.user_id as last_user, last.sequence as last_sequence,
      days.first as first_day, days.last as last_day
    from projection cross join days left join last on true
    left join found on lots_before < ${sql.lit(PAGE_MAX_LOTS)}
    order by place_time desc, place_user desc, place_sequence desc`;
}

function nextOf(rows: readonly FoundRow[], query: TermQuery): TermCursor | undefined {
  const { limit, userIdPrefix } = query;
  const row = rows.at(-1)!;
  const pageSize = Number(row.page_size);
  if (pageSize > 0 && (pageSize === limit || rows.length < pageSize)) {
    return toCursor(row.place_time, row.place_user, row.place_sequence);
  }
  if (Number(row.looked_at) === LOOK_MAX_TERMS) {
    return ofUsers(toCursor(row.last_time, row.last_user, row.last_sequence), userIdPrefix);
  }
  const firstProbed = (row.last_day ?? 0) - LOOK_MAX_DAYS + 1;
  return firstProbed > (row.first_day ?? 0) ? startOf(BigInt(firstProbed) * DAY) : undefined;
}

function toCursor(time: string | null, userId: string | null, sequence: string | null): TermCursor {
  return { time: fromTimestamptz(time!), userId: userId!, sequence: BigInt(sequence!) };
}

/**
 * A place that goes on with the same entries of these users, without the name of another user: a caller
 * may read a page token.
 */
function ofUsers(place: TermCursor, prefix: string): TermCursor {
  if (place.userId.startsWith(prefix)) return place;
  return place.userId < prefix
    ? startOf(place.time)
    : { ...place, userId: endOfPrefix(prefix), sequence: 0n };
}

/** The place before all entries of an instant. */
function startOf(time: Micros): TermCursor {
  return { time, userId: "", sequence: 0n };
}

const DAY: Micros = 86_400_000_000n;

/** The number of an instant's day since 1970 (UTC). */
function dayOf(time: Micros): number {
  return Number((time - (((time % DAY) + DAY) % DAY)) / DAY);
}
