import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Clock, Reading } from "./clock.ts";

/** Sets the clock of a database, as its servers read it. */
export type DatabaseClock = {
  /** Makes it stand still at an instant, in microseconds since 1970. */
  stopAt(instant: bigint): Promise<void>;
  /** Makes it go on from an instant; it may lie in the past. */
  goOnFrom(instant: bigint): Promise<void>;
};

const RETRY_MS = 50;

// Servers have PostgreSQL's own schema searched first, and so those that they would find there give
// their names to others.
const SETUP = `
  create schema torture_clock;
  create table torture_clock.reading (ahead interval not null, still timestamptz);
  insert into torture_clock.reading values ('0', null);
  alter function pg_catalog.clock_timestamp() rename to torture_wall_clock;
  alter function pg_catalog.statement_timestamp() rename to torture_wall_statement;
  alter function pg_catalog.now() rename to torture_wall_now;
  create function torture_clock.read() returns timestamptz language sql stable as $$
    select coalesce(still, pg_catalog.torture_wall_clock() + ahead) from torture_clock.reading $$;
  create function pg_catalog.clock_timestamp() returns timestamptz language sql volatile as $$
    select torture_clock.read() $$;
  create function pg_catalog.statement_timestamp() returns timestamptz language sql stable as $$
    select torture_clock.read() $$;
  create function pg_catalog.now() returns timestamptz language sql stable as $$
    select torture_clock.read() $$`;

/**
 * Puts functions of the test's own in the place of the database's clock, which can be set; from then
 * on `clock` knows how it stands. Statements that are prepared already keep the old one.
 *
 * @param url gives the database's address, which may change with its restarts
 */
export async function takeClock(url: () => string, clock: Clock): Promise<DatabaseClock> {
  await query(url(), SETUP);

  /** However often it takes: whether a try failed before or after it was applied is the same. */
  async function set(reading: Reading): Promise<void> {
    const isStill = "still" in reading;
    const still = isStill ? `timestamptz 'epoch' + ${micros(reading.still)}` : "null";
    const sql = `update torture_clock.reading set
      ahead = ${micros(isStill ? 0n : reading.ahead)}, still = ${still}`;
    const changed = clock.change(reading);
    for (;;) {
      try {
        await query(url(), sql);
        return changed();
      } catch {
        await sleep(RETRY_MS);
      }
    }
  }

  return {
    stopAt: (instant) => set({ still: instant }),
    goOnFrom(instant) {
      const wall = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000));
      return set({ ahead: instant - wall });
    },
  };
}

function micros(count: bigint): string {
  return `${count} * interval '1 microsecond'`;
}

async function query(connectionString: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end().catch(() => {});
  }
}
