import { type RawBuilder, sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { beginsWith } from "./id-range.ts";
import { keepBuilt } from "./keep-built.ts";

/** What entries that are summed have in common. */
export type Dimension = "day" | "kind" | "service" | "caller" | "category" | "member";

/** Whose entries are summed: of one user, or of those whose ids begin with a prefix. */
export type Whose = { readonly userId: string } | { readonly userIdPrefix: string };

/** Sums to be read. */
export type SumQuery = {
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
  /** Whether it would be more than ADDED_MAX_ROWS to add: then the sums are of a part. */
  readonly isTooMuch: boolean;
};

/** The database does not know a time zone that this software knows. */
export class TimeZoneUnknown extends Error {}

/** SQLSTATE invalid_parameter_value: no other parameter is looked up in a list. */
const INVALID_PARAMETER = "22023";

/** The most sums of an answer. */
export const SUMS_MAX = 10_000;

/**
 * They take PostgreSQL a second by day, and 5 s on a machine that is very busy: a read is given up after
 * 10 s. Whoever wants more asks for less at a time.
 */
const ADDED_MAX_ROWS = 2_000_000;

/**
 * Adds up what is kept of each quarter of an hour. The sums of all users together tell no members apart,
 * those of users do.
 *
 * @param run of a snapshot of which nothing has been read yet: see `keepBuilt`
 * @throws {TimeZoneUnknown}
 */
export async function readSums(run: Run, query: SumQuery): Promise<Sums> {
  await keepBuilt(run, "entry_sum");
  const { rows } = await run(statementOf(query)).catch((error: unknown) => {
    const { code } = error as { readonly code?: unknown };
    throw code === INVALID_PARAMETER
      ? new TimeZoneUnknown("an older list", { cause: error })
      : error;
  });
  const { begun, caught_up_to: caughtUpTo, added } = rows[0]!;
  const isTooMuch = Number(added) > ADDED_MAX_ROWS;
  return {
    isBegun: begun,
    caughtUpTo: caughtUpTo === null ? null : fromTimestamptz(caughtUpTo),
    sums: rows.flatMap((row) => (row.entries === null ? [] : [toSum(row, row.entries)])),
    isTooMuch,
  };
}

type SumRow = Record<Exclude<Dimension, "kind">, string> & {
  readonly kind: number;
  readonly begun: boolean;
  readonly caught_up_to: string | null;
  readonly added: string | null;
  /** null: there are no sums. */
  readonly entries: string | null;
  readonly points: string;
  readonly owed: string;
  readonly uncovered: string;
  readonly repaid: string;
};

function statementOf({ of, from, to, by, timeZone }: SumQuery) {
  const asked = (dimension: Dimension) =>
    by.includes(dimension) ? sql.raw(dimension) : sql`''::text`;
  // IANA's zones have had offsets of whole quarters of an hour since 1979: no quarter is of two days.
  const day = by.includes("day")
    ? sql`(to_timestamp(bucket * 900::float8) at time zone ${timeZone}::text)::date`
    : sql`null::date`;
  const between = sql`bucket >= ${String(from ?? FIRST)}::integer
    and bucket < ${String(to ?? END)}::integer`;
  return sql<SumRow>`
    with summed as (
      select ${day} as day, ${by.includes("kind") ? sql`kind` : sql`0`} as kind,
        ${asked("service")} as service, ${asked("caller")} as caller,
        ${asked("category")} as category, ${asked("member")} as member,
        sum(entries) as entries, sum(points) as points, sum(owed) as owed,
        sum(uncovered) as uncovered, sum(repaid) as repaid, sum(count(*)) over () as added
      from (
        ${rowsOf(of, by.includes("member"), between)}
        limit ${sql.lit(ADDED_MAX_ROWS + 1)}
      ) as added
      group by 1, 2, 3, 4, 5, 6
      order by 1, 2, 3, 4, 5, 6 limit ${sql.lit(SUMS_MAX + 1)}
    )
    select coalesce(to_char(day, 'YYYY-MM-DD'), '') as day, kind, service, caller, category, member,
      entries, points, owed, uncovered, repaid, added, search_keys is not null as begun, caught_up_to
    from projection left join summed on true
    order by summed.day, kind, service, caller, category, member`;
}

const FIRST = 0n;
const END = 2n ** 31n - 1n;

/** SQL for the rows to add. Those of all users together are under the id ''. */
function rowsOf(of: Whose, ofUsers: boolean, between: RawBuilder<unknown>) {
  if ("userId" in of) {
    return sql`select * from entry_sum where user_id = ${of.userId}::text and ${between}`;
  }
  const { userIdPrefix } = of;
  if (userIdPrefix === "" && !ofUsers) {
    return sql`select * from entry_sum where user_id = '' and ${between}`;
  }
  // The primary key begins with the user, so that each user's part of the time is searched for. Without
  // `offset 0`, the planner might go through all of the users' time instead.
  return sql`select sums.* from account cross join lateral (
      select * from entry_sum where entry_sum.user_id = account.user_id and ${between} offset 0
    ) as sums
    where ${beginsWith("account.user_id", userIdPrefix)}`;
}

function toSum(row: SumRow, entries: string): Sum {
  const { day, kind, service, caller, category, member } = row;
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
