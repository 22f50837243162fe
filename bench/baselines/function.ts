/**
 * Baseline: Consume as one SQL function (stored procedure), called once a transaction. An expert
 * would write it by hand to get the most out of PostgreSQL. It has tables of its own (tables.ts) and
 * keeps all promises of an answer: it locks the account's row (pessimistic lock), answers a repeat
 * from its first entry (idempotency), burns lots in order, checks all figures, and writes an entry
 * with its request id and hash chain (of JSON, a single hash an entry). `points verify` accepts its
 * entries, copied to Points' tables and hashed as Points does.
 *
 * Unlike a real Consume it does not book expired points and holds: it refuses if there are such
 * lots, and does not look for holds.
 */
export const CREATE_CONSUME = `
create schema if not exists bench;
create or replace function bench.consume(p_user text, p_request text, p_points bigint)
returns bigint language plpgsql as $$
declare
  mine baseline.account;
  one record;
  burnt bigint;
  rest bigint := p_points;
  lots bigint[] := '{}';
  lot_points bigint[] := '{}';
  allocations text := '';
  instant timestamptz;
  print bytea := sha256(convert_to('consume ' || p_user || ' ' || p_points, 'UTF8'));
  first record;
begin
  select * into mine from baseline.account where user_id = p_user for update;
  if not found then raise 'ACCOUNT_NOT_FOUND'; end if;
  instant := clock_timestamp();

  select sequence, fingerprint into first from baseline.entry
  where user_id = p_user and request_id = p_request;
  if found then
    if first.fingerprint <> print then raise 'REQUEST_ID_REUSED'; end if;
    return first.sequence;
  end if;
  if mine.balance < p_points then raise 'INSUFFICIENT_POINTS'; end if;

  for one in
    select number, remaining, expire_time from baseline.lot
    where user_id = p_user and open and remaining > 0
    order by priority, coalesce(expire_time, 'infinity'), number
  loop
    if one.expire_time <= instant then raise 'points are due'; end if;
    burnt := least(one.remaining, rest);
    update baseline.lot set remaining = remaining - burnt
    where user_id = p_user and number = one.number;
    rest := rest - burnt;
    lots := lots || one.number;
    lot_points := lot_points || burnt;
    allocations := allocations || ',["' || one.number || '","' || burnt || '"]';
    exit when rest = 0;
  end loop;
  if rest > 0 then raise 'the lots lack points'; end if;

  mine.sequence := mine.sequence + 1;
  mine.balance := mine.balance - p_points;
  mine.total_consumed := mine.total_consumed + p_points;
  mine.update_time := instant;
  mine.hash := sha256(mine.hash || convert_to(
    '[' || to_json(p_user) || ',"' || mine.sequence || '","consume","' || p_points || '",['
    || substr(allocations, 2) || '],"0",null,"'
    || (extract(epoch from instant) * 1000000)::bigint || '",null,"0",null,'
    || to_json(p_request) || ',"' || encode(print, 'hex') || '",[],"' || mine.balance || '","'
    || mine.frozen || '","' || mine.total_recharged || '","' || mine.total_consumed
    || '","' || mine.total_expired || '","' || mine.total_refunded || '"]', 'UTF8'));
  update baseline.account set
    sequence = mine.sequence, balance = mine.balance,
    total_consumed = mine.total_consumed, hash = mine.hash, update_time = instant
  where user_id = p_user;
  insert into baseline.entry (
    user_id, sequence, kind, points, lots, lot_points, returned, create_time, priority, request_id,
    fingerprint, balance, frozen, total_recharged, total_consumed, total_expired, total_refunded,
    hash)
  values (
    p_user, mine.sequence, 'consume', p_points, lots, lot_points, 0, instant, 0, p_request,
    print, mine.balance, mine.frozen, mine.total_recharged, mine.total_consumed,
    mine.total_expired, mine.total_refunded, mine.hash);
  return mine.sequence;
end $$`;
