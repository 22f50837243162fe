import pg from "pg";
import { epochOf } from "../src/store/driver/epoch.ts";
import { ROW_MAX_LOTS } from "../src/store/batch/placement.ts";
import type { Database } from "./cluster.ts";

/** Entries to make in bulk, for new accounts or for accounts made like this before. */
export type Population = {
  /** Five characters, unique among accounts; seven digits follow. */
  readonly prefix: string;
  readonly accounts: number;
  /** Recharges of each account, which must be new. They expire one by one from the year 3000 on. */
  readonly lots: number;
  /** Consumes of all accounts together after the recharges, spread evenly. */
  readonly consumes: number;
  /** The most entries of a transaction; undefined: 60,000. */
  readonly transactionEntries?: number;
};

/** The points of each lot: more than any row spends. */
const LOT_POINTS = 1_000_000_000n;

const CHUNK_ENTRIES = 60_000;
const CONNECTIONS = 2;

/**
 * Bulk load: makes entries, with their accounts and lots, numbered, summed and hash-chained as the
 * ledger does (docs/hash.md; the salts follow from the users' ids). It uses SQL, because the ledger
 * would need an hour for 20 million entries. The bench and its test check that `points verify`
 * accepts them.
 *
 * @returns the number of entries made a second
 */
export async function seed(
  { url, query }: Pick<Database, "url" | "query">,
  population: Population,
): Promise<number> {
  const { prefix, accounts, lots, consumes, transactionEntries = CHUNK_ENTRIES } = population;
  const startedAt = performance.now();
  await query(CREATE_SEED);
  const entries = lots * accounts + consumes;
  const perChunk = Math.max(1, Math.floor(transactionEntries / (entries / accounts)));
  let next = 1;
  const work = async () => {
    const client = new pg.Client({ connectionString: url });
    // A lost connection also fails the query.
    client.on("error", () => {});
    await client.connect();
    const epoch = await epochOf(client);
    while (next <= accounts) {
      const first = next;
      next += perChunk;
      const last = Math.min(accounts, next - 1);
      const values = [prefix, first, last, accounts, lots, consumes, LOT_POINTS, epoch];
      await client.query("select bench.seed($1, $2, $3, $4, $5, $6, $7, $8)", values);
    }
    await client.end();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  // Vacuums now, so that autovacuum does not start in the middle of a row.
  await query("vacuum (analyze) points.account, points.lot, points.entry");
  return entries / ((performance.now() - startedAt) / 1000);
}

// `base` has the accounts before the seed, all zeros if they are new. In each step `chain` makes the
// next entry of every account in the chunk. Allocations are packed as in packed-allocations.ts: of a
// recharge two bytes of lot and four of points, of a consume of 1 point of lot 1 a byte each. The lots
// are packed as in packed-lots.ts; the bytes from the
// 19th on are what the first one has remaining. A step is a microsecond, so that the same seed of a new
// ledger makes the same entries. All consumes take from the first lot, which burns first.
const CREATE_SEED = `
create schema if not exists bench;
create or replace function bench.field(tag int, value bytea) returns bytea
language sql immutable parallel safe as $$
  select case when octet_length(value) = 0 then ''
    else set_byte('\\x00', 0, tag) || int4send(octet_length(value)) || value end
$$;
create or replace function bench.number(tag int, value bigint) returns bytea
language sql immutable parallel safe as $$
  select bench.field(tag, case when value = 0 then '' else convert_to(value::text, 'UTF8') end)
$$;
create or replace function bench.seed(
  prefix text, first_account int, last_account int, accounts int, lots int, consumes bigint,
  lot_points bigint, epoch int
) returns void language sql set work_mem = '256MB' as $$
  with recursive base as materialized (
    select
      user_id, coalesce(sequence, 0) as sequence, coalesce(balance, 0) as balance,
      coalesce(total_recharged, 0) as recharged, coalesce(total_consumed, 0) as consumed,
      coalesce(hash, decode(repeat('00', 32), 'hex')) as hash,
      coalesce(salt, substr(sha256(convert_to(user_id, 'UTF8')), 1, 16)) as salt,
      coalesce(create_time, '2025-01-01 00:00:00.000001Z') as create_time,
      coalesce(update_time, '2025-01-01 00:00:00Z') as base_time,
      seed.lots + number * consumes / accounts - (number - 1) * consumes / accounts as steps
    from generate_series(first_account::bigint, last_account) as number
    cross join lateral (select prefix || lpad(number::text, 7, '0') as user_id) as named
    left join points.account using (user_id)
  ),
  chain as (
    select
      user_id, salt, create_time, base_time, steps, 0::bigint as step, sequence, 0::bigint as points,
      balance, recharged, consumed, ''::text as request_id, null::bytea as fingerprint, hash
    from base
    union all
    select
      user_id, salt, create_time, base_time, steps, step, sequence, points, balance, recharged,
      consumed, request_id, fingerprint,
      sha256(hash || bench.number(2, sequence)
        || bench.number(3, case when step <= lots then 1 else 2 end) || bench.number(4, points)
        || bench.field(5, int4send(1) || int4send(octet_length(allocation)) || allocation)
        || bench.number(6, (extract(epoch from base_time) * 1000000)::bigint + step)
        || bench.number(9, balance)
        || case when step <= lots then bench.number(11, 32503680000000000 + 1000000 * step)
          else '' end
        || bench.field(18, sha256(salt || bench.field(1, convert_to(user_id, 'UTF8'))
          || bench.field(7, convert_to(request_id, 'UTF8'))))
        || bench.field(19, fingerprint))
    from (
      select
        user_id, salt, create_time, base_time, steps, next.step, sequence + 1 as sequence, next.points,
        balance + next.change as balance, recharged + greatest(next.change, 0) as recharged,
        consumed + greatest(-next.change, 0) as consumed,
        'seed-' || lpad((sequence + 1)::text, 12, '0') as request_id,
        substr(sha256(convert_to(user_id || sequence, 'UTF8')), 1, 16) as fingerprint, hash,
        bench.number(1, case when next.step <= lots then next.step else 1 end)
          || bench.number(2, next.points) as allocation
      from chain
      cross join lateral (
        select chain.step + 1 as step,
          case when chain.step < lots then lot_points else 1 end as points,
          case when chain.step < lots then lot_points else -1 end as change
      ) as next
      where chain.step < steps
      offset 0
    ) as entry
  ),
  timed as (
    select *, base_time + step * interval '1 microsecond' as entry_time,
      case when step <= lots
        then timestamptz '3000-01-01 00:00:00Z' + step * interval '1 second' end as expire_time
    from chain where step > 0
  ),
  entries as (
    insert into points.entry (
      user_id, sequence, kind, points, allocations, create_time, expire_time, request_id,
      fingerprint, balance, total_recharged, total_consumed, hash, epoch, feed)
    select user_id, sequence, case when step <= lots then 1 else 2 end, points,
      case when step <= lots
        then '\\x24'::bytea || int2send(step::smallint) || int4send(points::integer)
        else '\\x110101'::bytea end,
      entry_time, expire_time, request_id, fingerprint, balance, recharged, consumed, hash,
      epoch, pg_current_xact_id()::text::bigint
    from timed
  ),
  packed as (
    select user_id, string_agg(
      int2send(42::smallint) || int8send(step) || int8send(points)
        || int8send(points - case when step = 1 then steps - lots else 0 end) || int8send(0)
        || int2send(0::smallint) || int8send(32503680000000000 + 1000000 * step),
      '' order by step) as first_lots
    from timed where step <= least(lots, ${ROW_MAX_LOTS}) group by user_id
  ),
  more_lots as (
    insert into points.lot (user_id, number, points, remaining, frozen, priority, expire_time)
    select user_id, step, points, points, 0, 0, expire_time
    from timed where step <= lots and step > ${ROW_MAX_LOTS}
  )
  insert into points.account (
    user_id, sequence, balance, frozen, total_recharged, total_consumed, total_expired,
    total_refunded, hash, salt, create_time, update_time, due_time, lots, lots_beyond,
    beyond_remaining, feed, feed_epoch)
  select user_id, sequence, balance, 0, recharged, consumed, 0, 0, hash, salt, create_time, entry_time,
    case when lots > 0 then timestamptz '3000-01-01 00:00:01Z' end, coalesce(first_lots, ''),
    greatest(0, lots - ${ROW_MAX_LOTS}), greatest(0, lots - ${ROW_MAX_LOTS}) * lot_points,
    pg_current_xact_id()::text::bigint, epoch
  from timed left join packed using (user_id) where step = steps
  on conflict (user_id) do update set
    sequence = excluded.sequence, balance = excluded.balance,
    total_consumed = excluded.total_consumed, hash = excluded.hash,
    update_time = excluded.update_time, feed = excluded.feed, feed_epoch = excluded.feed_epoch,
    lots = overlay(account.lots placing int8send(
      ('x' || encode(substring(account.lots from 19 for 8), 'hex'))::bit(64)::bigint
        - (excluded.total_consumed - account.total_consumed)) from 19 for 8)
$$`;
