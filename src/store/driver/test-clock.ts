import { sql } from "kysely";
import { UserError } from "../../errors/user-error.ts";
import { LAST_INSTANT, type Micros } from "../../ledger/time.ts";
import type { EntityManager, Orm } from "./orm.ts";

// A clock for tests: PostgreSQL's clock, set forward by the sum of what somebody advanced it. It is a
// schema of its own, with functions named as PostgreSQL's own. A session of TEST_CLOCK=1 finds them
// first (session.ts), in each statement that there is or will be: no statement knows of this clock,
// and a ledger without it has nothing of it.

/** The schema of the clock, beside the ledger's. */
export const TEST_CLOCK_SCHEMA = "points_test_clock";

/** A clock for tests: its time, and how far that is ahead of PostgreSQL's clock. */
export type TestClock = { readonly now: Micros; readonly ahead: Micros };

/** All of PostgreSQL's functions that tell the time. */
const FUNCTIONS = {
  clock_timestamp: "volatile",
  statement_timestamp: "stable",
  transaction_timestamp: "stable",
  now: "stable",
};

const TABLE = `${TEST_CLOCK_SCHEMA}.clock`;

const MAKE = `
  create schema if not exists ${TEST_CLOCK_SCHEMA};
  create table if not exists ${TABLE} (
    id smallint primary key check (id = 1),
    ahead interval not null check (ahead >= interval '0')
  );
  insert into ${TABLE} values (1, '0') on conflict do nothing;
  ${Object.entries(FUNCTIONS)
    .map(
      ([name, volatility]) => `
  create or replace function ${TEST_CLOCK_SCHEMA}.${name}() returns timestamptz
    language sql ${volatility} parallel safe
    as 'select pg_catalog.${name}() + ahead from ${TABLE}'`,
    )
    .join(";")}`;

/** Gives a database the clock, unless it has it. */
export async function makeTestClock(em: EntityManager): Promise<void> {
  await em.execute(MAKE);
}

/**
 * Takes the clock from a database, so that nobody sets it forward under servers that do not go by it.
 *
 * @throws {UserError} as `refuseAdvanced`
 */
export async function removeTestClock(em: EntityManager): Promise<void> {
  if ((await readTestClock(em)) === undefined) return;
  await refuseAdvanced(em);
  await em.execute(`drop schema ${TEST_CLOCK_SCHEMA} cascade`);
}

/** A database's clock for tests; undefined: it has none. */
export async function readTestClock(em: EntityManager): Promise<TestClock | undefined> {
  const db = em.getKysely();
  const made = await sql<{ exists: boolean }>`
    select to_regclass(${TABLE}) is not null as exists`.execute(db);
  if (made.rows[0]?.exists !== true) return undefined;
  const { rows } = await sql<{ now: string; ahead: string }>`
    select (extract(epoch from pg_catalog.clock_timestamp() + ahead) * 1000000)::bigint as now,
      (extract(epoch from ahead) * 1000000)::bigint as ahead
    from ${sql.raw(TABLE)}`.execute(db);
  return rows[0] && { now: BigInt(rows[0].now), ahead: BigInt(rows[0].ahead) };
}

const DAY: Micros = 86_400_000_000n;
// The end of the year 9998: what happens by then may still expire later.
const END = LAST_INSTANT - 365n * DAY;

/**
 * Sets a database's clock for tests forward. Servers that run on it go by the new time from their next
 * statement on.
 *
 * @param by more than 0
 * @returns the clock after that; undefined: the database has none
 * @throws {UserError} if the time would be after the year 9998
 */
export async function advanceTestClock(orm: Orm, by: Micros): Promise<TestClock | undefined> {
  const tooFar = () => new UserError("the clock cannot be set to a time after the year 9998");
  if (by > END) throw tooFar();
  return orm.em.fork().transactional(async (em) => {
    if ((await readTestClock(em)) === undefined) return undefined;
    await sql`update ${sql.raw(TABLE)} set ahead = ahead + ${`${by} microseconds`}::interval`.execute(
      em.getKysely(),
    );
    const clock = await readTestClock(em);
    if (clock !== undefined && clock.now > END) throw tooFar();
    return clock;
  });
}

/**
 * Refuses a database whose clock was set forward, for who does not go by it: no entry is earlier than
 * the one before it, so time would stand still there until PostgreSQL's own clock has caught up.
 *
 * @throws {UserError}
 */
export async function refuseAdvanced(em: EntityManager): Promise<void> {
  const clock = await readTestClock(em);
  if (clock === undefined || clock.ahead === 0n) return;
  throw new UserError(
    `the clock of this ledger was set forward by ${lengthText(clock.ahead)}, for tests: ` +
      "start with TEST_CLOCK=1, or set DATA_DIR to another folder",
  );
}

/** A length of time for people, such as "31d 12h". */
export function lengthText(length: Micros): string {
  let rest = length;
  const parts = UNITS.flatMap(([unit, micros]) => {
    const many = rest / micros;
    rest %= micros;
    return many === 0n ? [] : [`${many}${unit}`];
  });
  return parts.join(" ") || "0s";
}

const UNITS = [
  ["d", DAY],
  ["h", 3_600_000_000n],
  ["m", 60_000_000n],
  ["s", 1_000_000n],
  ["ms", 1_000n],
] as const;
