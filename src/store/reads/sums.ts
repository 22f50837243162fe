import { sql } from "kysely";
import { daysBetween } from "../../ledger/calendar.ts";
import type { Micros } from "../../ledger/time.ts";
import { bigintArray } from "../driver/columns.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { CAUGHT_UP_TO } from "../projection/caught-up.ts";
import { goByIndex } from "./go-by-index.ts";
import { beginsWith } from "./id-range.ts";

/** What entries that are summed have in common. */
export type Dimension = "day" | "kind" | "service" | "caller" | "category" | "member";

/** Whose entries are summed: of one user, or of those whose ids begin with a prefix. */
export type Whose = { readonly userId: string } | { readonly userIdPrefix: string };

/** Sums to be read. */
type SumQuery = {
  readonly of: Whose;
  /** The numbers of quarters of an hour since 1970: from this one on, and before that one. */
  readonly from: bigint | undefined;
  readonly to: bigint | undefined;
  readonly by: readonly Dimension[];
  /** In which days begin: a name of IANA's. */
  readonly timeZone: string;
};

/** A sum. A dimension that was not asked for is empty, or 0. */
export type Sum = {
  /** As "2026-11-28". */
  readonly day: string;
  /** The number of an EntryKind. */
  readonly kind: number;
  readonly service: string;
  readonly caller: string;
  readonly category: string;
  readonly member: string;
  readonly entries: bigint;
  readonly points: bigint;
  readonly owed: bigint;
  readonly uncovered: bigint;
  readonly repaid: bigint;
};

/** What was read. */
export type Sums = {
  /** Whether anybody has begun to build the sums. */
  readonly isBegun: boolean;
  /** null: they are being built. */
  readonly caughtUpTo: Micros | null;
  /** In the order of day, kind, service, caller, category and member; SUMS_MAX and one more at most. */
  readonly sums: readonly Sum[];
  /**
   * What there is too much of to add it all up: of the time, or of the users. Then the sums are of a
   * part, or none.
   */
  readonly tooMuch: "time" | "users" | undefined;
};

/** Bounds of what is added up at once. */
export type SumOptions = {
  /** The most rows, each a sum of a quarter of an hour: by default 2,000,000. */
  readonly maxRows?: number;
  /** The most users of a prefix: by default 1,000,000. */
  readonly maxUsers?: number;
  /** The longest time: by default 8,000. */
  readonly maxMs?: number;
};

/** SQLSTATE query_canceled: it has taken too long. */
const CANCELED = "57014";

/** The most sums of an answer. */
export const SUMS_MAX = 10_000;

// The rows take PostgreSQL a second by day, and 5 s on a machine that is very busy; to look for the rows
// of so many users takes 2 s, if there are none. Whoever wants more asks for less at a time.
const MAX_ROWS = 2_000_000;
const MAX_USERS = 1_000_000;
/** Eleven years of days: to find out when they begin takes some 50 ms, in which nothing else is served. */
const MAX_DAYS = 4_000;
/** Less than the 10 s after which a server closes the connection: PostgreSQL would work on. */
const MAX_MS = 8_000;

/**
 * Adds up what is kept of each quarter of an hour. The sums of all users together tell no members apart,
 * those of users do. What takes too long is too much of the time.
 */
export async function readSums(
  run: Run,
  query: SumQuery,
  { maxRows = MAX_ROWS, maxUsers = MAX_USERS, maxMs = MAX_MS }: SumOptions = {},
): Promise<Sums> {
  await goByIndex(run);
  const days = query.by.includes("day") ? await daysOf(run, query) : [];
  if (days.length > MAX_DAYS) return TOO_LONG;
  await run(sql`set local statement_timeout = ${sql.lit(maxMs)}`);
  const bounds = { maxRows, maxUsers, starts: days.map(({ start }) => start) };
  const result = await run(statementOf(query, bounds)).catch((error: unknown) => {
    if ((error as { readonly code?: unknown }).code === CANCELED) return undefined;
    throw error;
  });
  if (result === undefined) return TOO_LONG;
  const { rows } = result;
  const { begun, caught_up_to: caughtUpTo, users, added } = rows[0]!;
  return {
    isBegun: begun,
    caughtUpTo: caughtUpTo === null ? null : fromTimestamptz(caughtUpTo),
    sums: rows.flatMap((row) => (row.entries === null ? [] : [toSum(row, row.entries, days)])),
    tooMuch: Number(users) > maxUsers ? "users" : Number(added) > maxRows ? "time" : undefined,
  };
}

// There is something to add up, and so somebody has begun.
const TOO_LONG: Sums = { isBegun: true, caughtUpTo: null, sums: [], tooMuch: "time" };

/** A day, and the number of the quarter of an hour with which it begins. */
type Day = { readonly day: string; readonly start: bigint };

/**
 * The days that have entries, and those between: by the rules by which allowances begin. PostgreSQL has
 * others: some of IANA's names, as CET, are offsets there.
 */
async function daysOf(run: Run, query: SumQuery): Promise<Day[]> {
  const { rows } = await run(sql<{ first: number | null; last: number | null }>`
    select min(bucket) as first, max(bucket) as last from entry_sum
    where user_id = '' and ${within(query)}`);
  const { first, last } = rows[0]!;
  if (first === null || last === null) return [];
  const range = { from: BigInt(first) * QUARTER, to: BigInt(last) * QUARTER };
  // A zone's days have begun with whole quarters since 1986: no quarter is of two days.
  return daysBetween(query.timeZone, range, MAX_DAYS).map(({ day, start }) => ({
    day,
    start: (start + QUARTER - 1n) / QUARTER,
  }));
}

const QUARTER: Micros = 900_000_000n;

type Bounds = {
  readonly maxRows: number;
  readonly maxUsers: number;
  /** With which quarters the days begin. */
  readonly starts: readonly bigint[];
};

type SumRow = Record<Exclude<Dimension, "kind" | "day">, string> & {
  /** 1: the first. */
  readonly day: number;
  readonly kind: number;
  readonly begun: boolean;
  readonly caught_up_to: string | null;
  readonly users: string;
  readonly added: string | null;
  /** null: there are no sums. */
  readonly entries: string | null;
  readonly points: string;
  readonly owed: string;
  readonly uncovered: string;
  readonly repaid: string;
};

function statementOf(query: SumQuery, { maxRows, maxUsers, starts }: Bounds) {
  const { of, by } = query;
  const asked = (dimension: Dimension) =>
    by.includes(dimension) ? sql.raw(dimension) : sql`''::text`;
  const day = by.includes("day")
    ? sql`width_bucket(bucket::bigint, ${bigintArray(starts)})`
    : sql`0`;
  // The primary key begins with the user, so that each user's part of the time is searched for. Without
  // `offset 0`, the planner might go through all of the users' time instead.
  return sql<SumRow>`
    with whose as materialized (
      ${usersOf(of, by.includes("member"), maxUsers)}
    ), summed as (
      select ${day} as day, ${by.includes("kind") ? sql`kind` : sql`0`} as kind,
        ${asked("service")} as service, ${asked("caller")} as caller,
        ${asked("category")} as category, ${asked("member")} as member,
        sum(entries) as entries, sum(points) as points, sum(owed) as owed,
        sum(uncovered) as uncovered, sum(repaid) as repaid, sum(count(*)) over () as added
      from (
        select sums.* from whose cross join lateral (
          select * from entry_sum where entry_sum.user_id = whose.user_id and ${within(query)} offset 0
        ) as sums
        where (select count(*) from whose) <= ${sql.lit(maxUsers)}
        limit ${sql.lit(maxRows + 1)}
      ) as added
      group by 1, 2, 3, 4, 5, 6
      order by 1, 2, 3, 4, 5, 6 limit ${sql.lit(SUMS_MAX + 1)}
    )
    select day, kind, service, caller, category, member,
      entries, points, owed, uncovered, repaid, added, search_keys is not null as begun,
      ${CAUGHT_UP_TO} as caught_up_to,
      (select count(*) from whose) as users
    from projection left join summed on true
    order by summed.day, kind, service, caller, category, member`;
}

/** SQL for the quarters that are asked for: the marker is of none. */
function within({ from = 0n, to = END }: Pick<SumQuery, "from" | "to">) {
  return sql`bucket >= ${String(from > 0n ? from : 0n)}::integer and bucket < ${String(to)}::integer`;
}

const END = 2n ** 31n - 1n;

/** SQL for the users whose rows are added: those of all users together are under the id ''. */
function usersOf(of: Whose, ofUsers: boolean, maxUsers: number) {
  if ("userId" in of) return sql`select ${of.userId}::text as user_id`;
  if (of.userIdPrefix === "" && !ofUsers) return sql`select ''::text as user_id`;
  return sql`select user_id from account where ${beginsWith("user_id", of.userIdPrefix)}
    order by user_id limit ${sql.lit(maxUsers + 1)}`;
}

function toSum(row: SumRow, entries: string, days: readonly Day[]): Sum {
  const { kind, service, caller, category, member } = row;
  const day = days[row.day - 1]?.day ?? "";
  const of = { day, kind, service, caller, category, member };
  return {
    ...of,
    entries: BigInt(entries),
    points: BigInt(row.points),
    owed: BigInt(row.owed),
    uncovered: BigInt(row.uncovered),
    repaid: BigInt(row.repaid),
  };
}
