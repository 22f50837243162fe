import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Clock, Reading } from "./clock.ts";

/** Fault injection for time: sets the database's clock, as its servers read it. */
export type DatabaseClock = {
  /** Stops it at an instant, in microseconds since 1970. */
  stopAt(instant: bigint): Promise<void>;
  /** Runs it from an instant, which may lie in the past. */
  goOnFrom(instant: bigint): Promise<void>;
};

const RETRY_MS = 50;

// The search path begins with pg_catalog, so the built-in clock functions are renamed and replaced
// there.
const SETUP = `
  create schema torture_clock;
  create table torture_clock.reading (ahead interval not null, still timestamptz);
  insert into torture_clock.reading values ('0', null);
  alter function pg_catalog.clock_timestamp() rename to torture_wall_clock;
  alter function pg_catalog.statement_timestamp() rename to torture_wall_statement;
  alter function pg_catalog.transaction_timestamp() rename to torture_wall_transaction;
  alter function pg_catalog.now() rename to torture_wall_now;
  create function torture_clock.read() returns timestamptz language sql stable as $$
    select coalesce(still, pg_catalog.torture_wall_clock() + ahead) from torture_clock.reading $$;
  create function pg_catalog.clock_timestamp() returns timestamptz language sql volatile as $$
    select torture_clock.read() $$;
  create function pg_catalog.statement_timestamp() returns timestamptz language sql stable as $$
    select torture_clock.read() $$;
  create function pg_catalog.transaction_timestamp() returns timestamptz language sql stable as $$
    select coalesce(still, pg_catalog.torture_wall_transaction() + ahead)
    from torture_clock.reading $$;
  create function pg_catalog.now() returns timestamptz language sql stable as $$
    select torture_clock.read() $$`;

/**
 * Replaces the database's clock functions by settable ones; `clock` follows each change. Statements
 * that are prepared already keep the old functions.
 *
 * @param url gives the database's address, which may change when it restarts
 */
export async function takeClock(url: () => string, clock: Clock): Promise<DatabaseClock> {
  await query(url(), SETUP);

  /** Retries until it succeeds: the update is idempotent. */
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
