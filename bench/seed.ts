import pg from "pg";
import type { Database } from "./cluster.ts";

/** Accounts to make in bulk, each with the same history. */
export type Population = {
  /** Five characters that no other accounts begin with; seven digits follow. */
  readonly prefix: string;
  readonly accounts: number;
  /** Recharges of each, which expire one after the other, in the year 3000. */
  readonly lots: number;
  /** Consumes of each, after those. */
  readonly consumes: number;
};

/** Points of each lot, so many that no row spends them all. */
export const LOT_POINTS = 1_000_000_000n;

const CHUNK_ENTRIES = 60_000;
const CONNECTIONS = 2;

/**
 * Makes accounts with their lots and journals, numbered, added up and chained as the ledger itself
 * would have: the JSON below is that of `hashEntry` in src/ledger/entry.ts. In SQL, because through
 * the ledger 20 million entries would take hours; test/bench.test.ts verifies such accounts.
 *
 * @returns how many entries a second it made
 */
export async function seed({ url, query }: Database, population: Population): Promise<number> {
  const { prefix, accounts, lots, consumes } = population;
  const startedAt = performance.now();
  await query(CREATE_SEED);
  const perChunk = Math.max(1, Math.floor(CHUNK_ENTRIES / (lots + consumes)));
  let next = 1;
  const work = async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    while (next <= accounts) {
      const first = next;
      next += perChunk;
      const last = Math.min(accounts, next - 1);
      await client.query("select bench.seed($1, $2, $3, $4, $5, $6)", [
        prefix, first, last, lots, consumes, LOT_POINTS,
      ]);
    }
    await client.end();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  // As autovacuum would leave it, so that it does not start in the middle of a row.
  await query("vacuum (analyze) points.account, points.lot, points.entry");
  return ((lots + consumes) * accounts) / ((performance.now() - startedAt) / 1000);
}

// `chain` makes one entry of every account of the chunk a step, from the one before. The
// nth is of the nth second of 2025, so that the same seed makes the same ledger.
const CREATE_SEED = `
create schema if not exists bench;
create or replace function bench.seed(
  prefix text, first_account int, last_account int, lots int, consumes int, lot_points bigint
) returns void language sql set work_mem = '256MB' as $$
  with recursive chain as (
    select
      prefix || lpad(number::text, 7, '0') as user_id,
      0::bigint as sequence, 0::bigint as points, ''::text as request_id,
      0::bigint as balance, 0::bigint as recharged, 0::bigint as consumed,
      decode(repeat('00', 32), 'hex') as hash, null::bytea as fingerprint
    from generate_series(first_account, last_account) as number
    union all
    select user_id, sequence, points, request_id, balance, recharged, consumed,
      sha256(hash || convert_to(
        '["' || user_id || '","' || sequence || '","'
        || case when sequence <= lots then 'recharge' else 'consume' end || '","' || points
        || '",[["' || case when sequence <= lots then sequence else 1 end || '","' || points
        || '"]],"0",null,"' || micros || '",'
        || case when sequence <= lots then '"' || 32503680000000000 + 1000000 * sequence || '"'
          else 'null' end
        || ',"0",null,"' || request_id || '","' || encode(fingerprint, 'hex') || '",[],"'
        || balance || '","0","' || recharged || '","' || consumed || '","0","0"]', 'UTF8')),
      fingerprint
    from (
      select user_id, hash, next.sequence, next.points, balance + next.change as balance,
        recharged + greatest(next.change, 0) as recharged,
        consumed + greatest(-next.change, 0) as consumed,
        'seed-' || lpad(next.sequence::text, 12, '0') as request_id,
        sha256(convert_to(user_id || next.sequence, 'UTF8')) as fingerprint,
        1735689600000000 + 1000000 * next.sequence as micros
      from chain
      cross join lateral (
        select chain.sequence + 1 as sequence,
          case when chain.sequence < lots then lot_points else 1 end as points,
          case when chain.sequence < lots then lot_points else -1 end as change
      ) as next
      where chain.sequence < lots + consumes
      offset 0
    ) as entry
  ),
  timed as (
    select *, timestamptz '2025-01-01 00:00:00Z' + sequence * interval '1 second' as create_time,
      case when sequence <= lots
        then timestamptz '3000-01-01 00:00:00Z' + sequence * interval '1 second' end as expire_time
    from chain where sequence > 0
  ),
  entries as (
    insert into points.entry (
      user_id, sequence, kind, points, lots, lot_points, returned, create_time, expire_time,
      priority, request_id, fingerprint, balance, frozen, total_recharged, total_consumed,
      total_expired, total_refunded, hash)
    select user_id, sequence, case when sequence <= lots then 'recharge' else 'consume' end, points,
      array[case when sequence <= lots then sequence else 1 end], array[points], 0, create_time,
      expire_time, 0, request_id, fingerprint, balance, 0, recharged, consumed, 0, 0, hash
    from timed
  ),
  lots as (
    insert into points.lot (user_id, number, points, remaining, frozen, priority, expire_time)
    select user_id, sequence, points, points - case when sequence = 1 then consumes else 0 end, 0, 0,
      expire_time
    from timed where sequence <= lots
  )
  insert into points.account (
    user_id, sequence, balance, frozen, total_recharged, total_consumed, total_expired,
    total_refunded, hash, create_time, update_time)
  select user_id, sequence, balance, 0, recharged, consumed, 0, 0, hash,
    timestamptz '2025-01-01 00:00:00Z', create_time
  from timed where sequence = lots + consumes
$$`;
