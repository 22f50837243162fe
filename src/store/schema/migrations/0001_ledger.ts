import { Migration } from "@mikro-orm/migrations";

// Invariants that the database enforces, whatever bug there is: the ledger's equation, and that no
// figure is negative or past 2^53 - 1.
const ACCOUNT_CHECKS = `
  check (balance + frozen + total_consumed + total_expired + total_revoked
    = total_recharged + total_refunded + debt),
  check (least(balance, frozen, total_recharged, total_consumed, total_expired, total_refunded,
    total_revoked, debt) >= 0),
  check (total_recharged + total_refunded + debt <= 9007199254740991)`;

// The same for the figures after an entry, and that what may be absent is never 0: two rows of one
// content are the same.
const ENTRY_CHECKS = `
  check (balance + coalesce(frozen, 0) + total_consumed + coalesce(total_expired, 0)
    + coalesce(total_revoked, 0) = total_recharged + coalesce(total_refunded, 0) + coalesce(debt, 0)),
  check (least(points, balance, total_recharged, total_consumed) >= 0),
  check (least(frozen, total_expired, total_refunded, total_revoked, debt, returned, owed, uncovered,
    repaid, from_balance, priority) > 0),
  check (total_recharged + coalesce(total_refunded, 0) + coalesce(debt, 0) <= 9007199254740991)`;

// Ids compare by their bytes, so that locks are taken in the same order whatever the database's locale
// is. "C" is also the fastest collation.
const ID = `text collate "C" not null`;

const STATEMENTS = [
  // A fillfactor below 100 leaves room in the page for the row's next version: a HOT update, which
  // touches no index.
  // `lots` are the open lots that burn first, packed (src/store/batch/packed-lots.ts). Those beyond
  // them are in the table lot, and their number and sums here: a charge reads and writes this row
  // alone. The view open_lot shows both as rows.
  // A charge changes neighbouring columns, so that the log has few bytes of its update: PostgreSQL
  // logs what lies between the first and the last byte that differ.
  `create table account (
    user_id ${ID} primary key,
    create_time timestamptz not null,
    total_recharged bigint not null,
    total_expired bigint not null,
    total_refunded bigint not null,
    total_revoked bigint not null default 0,
    debt bigint not null default 0,
    frozen bigint not null,
    beyond_remaining bigint not null default 0 check (beyond_remaining between 0 and balance),
    beyond_frozen bigint not null default 0 check (beyond_frozen between 0 and frozen),
    beyond_scoped bigint not null default 0,
    due_time timestamptz check (isfinite(due_time)),
    repaid_until timestamptz,
    receipts integer not null default 0 check (receipts >= 0),
    open_holds integer not null default 0 check (open_holds >= 0),
    lots_beyond integer not null default 0 check (lots_beyond >= 0),
    feed_epoch integer not null default 0,
    sequence bigint not null check (sequence >= 0),
    balance bigint not null,
    total_consumed bigint not null,
    update_time timestamptz not null,
    feed bigint not null default 0,
    hash bytea not null check (octet_length(hash) = 32),
    lots bytea not null default '' check (octet_length(lots) <= 2048),
    salt bytea not null check (octet_length(salt) = 16),
    check (lots_beyond > 0 or beyond_remaining + beyond_frozen = 0),
    check (beyond_scoped between 0 and beyond_remaining),
    ${ACCOUNT_CHECKS}
  ) with (fillfactor = 70)`,

  // The account's clock, for the sweeper: nothing of an account falls due before. It changes seldom,
  // so that most updates are still HOT.
  `create index account_due on account (due_time, user_id) where due_time is not null`,

  // The open lots that are not in their account's row. A spendable lot burns after every spendable
  // lot of the row. A closed lot is nowhere: the entry that made it says what it was.
  `create table lot (
    user_id ${ID},
    number bigint not null check (number > 0),
    points bigint not null check (points > 0),
    remaining bigint not null check (remaining >= 0),
    frozen bigint not null check (frozen >= 0),
    priority smallint not null check (priority between 0 and 1000),
    expire_time timestamptz,
    category text,
    services text[],
    primary key (user_id, number),
    check (remaining + frozen between 1 and points)
  ) with (fillfactor = 70)`,

  // The lots that a column of account holds, each behind the length of what it has. PostgreSQL makes a
  // function without "strict" and "set" a part of the query, instead of a call for each row. PostgreSQL
  // 15 casts no bytea to bigint, but bits. An interval times a number of microseconds would not be
  // exact, and so seconds go apart.
  `create function unpack_lots(packed bytea) returns table (
    number bigint, points bigint, remaining bigint, frozen bigint, priority smallint,
    expire_time timestamptz, category text, services text[]
  ) language sql stable parallel safe as $$
    with recursive place (at, bytes) as (
      select 3, get_byte(packed, 0) * 256 + get_byte(packed, 1) where octet_length(packed) > 0
      union all
      select at + bytes + 2, get_byte(packed, at + bytes - 1) * 256 + get_byte(packed, at + bytes)
      from place where at + bytes < octet_length(packed)
    )
    select
      ('x' || substr(hex, 1, 16))::bit(64)::bigint,
      ('x' || substr(hex, 17, 16))::bit(64)::bigint,
      ('x' || substr(hex, 33, 16))::bit(64)::bigint,
      ('x' || substr(hex, 49, 16))::bit(64)::bigint,
      ('x' || substr(hex, 65, 4))::bit(16)::integer::smallint,
      case when micros < 9223372036854775807 then timestamptz 'epoch'
        + micros / 1000000 * interval '1 second' + micros % 1000000 * interval '1 microsecond' end,
      nullif(convert_from(substring(packed from at + 43 for category_bytes), 'UTF8'), ''),
      string_to_array(nullif(convert_from(substring(packed from at + 43 + category_bytes
        for greatest(0, bytes - 43 - category_bytes)), 'UTF8'), ''), ' ')
    from place
    cross join lateral (select case when bytes > 42 then get_byte(packed, at + 41) else 0 end
      as category_bytes) as category
    cross join lateral encode(substring(packed from at for 42), 'hex') as hex
    cross join lateral (select ('x' || substr(hex, 69, 16))::bit(64)::bigint as micros) as time
    order by at
  $$`,

  // What a batch calls behind each of its writes: its COMMIT is on its way by then. A foreign trigger
  // or rule may have kept a row from being written.
  `create function require_rows(written bigint, expected bigint, otherwise text) returns void
  language plpgsql stable parallel safe as $$
    begin
      if written operator(pg_catalog.<>) expected then
        raise exception using message = otherwise;
      end if;
    end
  $$`,

  // All open lots.
  `create view open_lot with (security_invoker = true) as
    select account.user_id, unpacked.number, unpacked.points, unpacked.remaining, unpacked.frozen,
      unpacked.priority, unpacked.expire_time, unpacked.category, unpacked.services, true as in_row
    from account cross join lateral unpack_lots(account.lots) as unpacked
    union all
    select lot.user_id, lot.number, lot.points, lot.remaining, lot.frozen, lot.priority,
      lot.expire_time, lot.category, lot.services, false as in_row
    from lot`,

  `create table hold (
    user_id ${ID},
    number bigint not null check (number > 0),
    points bigint not null check (points >= 0),
    settled bigint not null check (settled between 0 and points),
    status text not null check (status in ('open', 'settled', 'released', 'expired')),
    service text,
    expire_time timestamptz not null,
    allocations bytea check (octet_length(allocations) > 2),
    primary key (user_id, number),
    check (settled = 0 or status = 'settled')
  )`,

  `create index hold_open on hold (user_id, expire_time, number) where status = 'open'`,

  // A year of a busy ledger is billions of entries, so that each byte counts. Wide columns come first,
  // for there is no padding then; a column that is null costs nothing; kinds are the numbers of the
  // contract's EntryKind (src/ledger/entry-kinds.ts); allocations are packed
  // (src/store/batch/packed-allocations.ts). The view journal shows all that to people.
  `create table entry (
    sequence bigint not null check (sequence > 0),
    points bigint not null,
    balance bigint not null,
    total_recharged bigint not null,
    total_consumed bigint not null,
    create_time timestamptz not null,
    feed bigint not null check (feed > 0),
    frozen bigint,
    total_expired bigint,
    total_refunded bigint,
    total_revoked bigint,
    debt bigint,
    returned bigint,
    refers_to bigint,
    expire_time timestamptz,
    quantity bigint,
    duration_nanos bigint,
    owed bigint,
    uncovered bigint,
    repaid bigint,
    from_balance bigint,
    epoch integer not null check (epoch > 0),
    kind smallint not null check (kind between 1 and 7),
    priority smallint,
    user_id ${ID},
    hash bytea not null check (octet_length(hash) = 32),
    allocations bytea check (octet_length(allocations) > 2),
    request_id text collate "C",
    fingerprint bytea check (octet_length(fingerprint) = 16),
    service text,
    price_version text,
    pricing jsonb,
    metadata jsonb,
    caller text collate "C" check (length(caller) between 1 and 128),
    actor text,
    member text,
    cause text,
    category text,
    services text[],
    alerts text[],
    policy text,
    primary key (user_id, sequence),
    check ((request_id is null) = (fingerprint is null)),
    check ((refers_to is not null) = (kind between 5 and 7)),
    check ((service is null) = (price_version is null)),
    check (pricing is null or service is not null),
    ${ENTRY_CHECKS}
  )`,

  // An account's request id makes one entry. Hashes of the id would take 30 bytes an entry less, and a
  // quarter more of PostgreSQL's time a charge: it prepares an index's expressions in each statement.
  `create unique index entry_request on entry (user_id, request_id)
    where request_id is not null`,

  // What became of an entry: those that settle, release or refund it. A charge is not in it.
  `create index entry_refers_to on entry (user_id, refers_to, sequence)
    where refers_to is not null`,

  // The allocations of an entry or a hold, in their order. The first byte has the widths of the lots'
  // numbers and of the points.
  `create function unpack_allocations(packed bytea) returns table (lot bigint, points bigint)
  language sql stable parallel safe as $$
    select
      ('x' || lpad(encode(substring(packed from at for lot_bytes), 'hex'), 16, '0'))
        ::bit(64)::bigint,
      ('x' || lpad(encode(substring(packed from at + lot_bytes for points_bytes), 'hex'), 16, '0'))
        ::bit(64)::bigint
    from (select get_byte(packed, 0) >> 4 as lot_bytes, get_byte(packed, 0) & 15 as points_bytes)
      as width
    cross join lateral generate_series(2, octet_length(packed), lot_bytes + points_bytes) as at
    order by at
  $$`,

  // All entries, for people.
  `create view journal with (security_invoker = true) as
    select entry.user_id, entry.sequence, kind.name as kind, entry.points, (
        select jsonb_agg(jsonb_build_object('lot', part.lot, 'points', part.points))
        from unpack_allocations(entry.allocations) as part
      ) as allocations,
      coalesce(entry.returned, 0) as returned, entry.refers_to, entry.create_time,
      entry.expire_time, coalesce(entry.priority, 0::smallint) as priority, entry.category,
      entry.services, entry.service, entry.quantity, entry.duration_nanos, entry.price_version,
      entry.pricing, entry.request_id, entry.metadata, entry.caller, entry.actor, entry.balance,
      coalesce(entry.frozen, 0) as frozen,
      entry.total_recharged, entry.total_consumed, coalesce(entry.total_expired, 0) as total_expired,
      coalesce(entry.total_refunded, 0) as total_refunded, entry.hash,
      entry.epoch, entry.feed
    from entry
    left join (values (1, 'recharge'), (2, 'consume'), (3, 'expire'), (4, 'freeze'), (5, 'settle'),
      (6, 'release'), (7, 'refund')) as kind (number, name) on kind.number = entry.kind`,

  // The journal as a stream: entries by their place in it (src/store/batch/feed.ts). Those of one time
  // have places near each other, so that a summary of each MB of entries is enough: it takes 0.03 bytes an
  // entry, and finds 1,000 among a million in 2 ms. Without autosummarize a fifth of a large table,
  // which vacuum has not seen yet, would be read each time.
  `create index entry_feed on entry using brin (epoch, feed) with (autosummarize = on)`,

  // The lives of the PostgreSQL clusters that have had this ledger: a restore or a promotion begins
  // another (src/store/driver/epoch.ts).
  `create table epoch (
    epoch integer primary key check (epoch > 0),
    system_identifier bigint not null,
    timeline integer not null check (timeline > 0),
    begin_time timestamptz not null
  )`,

  // What of an entry or of the lot that it made has been undone since, for entries are immutable: points
  // that were refunded or revoked, and of those revoked what the lot has not given yet.
  `create table undone (
    user_id ${ID},
    sequence bigint not null check (sequence > 0),
    refunded bigint not null default 0 check (refunded >= 0),
    revoked bigint not null default 0 check (revoked >= 0),
    claimed bigint not null default 0 check (claimed between 0 and revoked),
    primary key (user_id, sequence),
    check (refunded + revoked > 0)
  )`,

  // Idempotency records of requests that succeeded without an entry of their own. "made_entry": the
  // answer was the entry of that sequence, which the request had booked; otherwise the sequence is that
  // of the account's last entry at the time. Without a request id: the request made the account.
  `create table receipt (
    user_id ${ID},
    number bigint not null check (number > 0),
    sequence bigint not null check (sequence >= 0),
    made_entry boolean not null,
    request_id text collate "C",
    fingerprint bytea check (octet_length(fingerprint) = 16),
    hash bytea not null check (octet_length(hash) = 32),
    primary key (user_id, number),
    check ((request_id is null) = (fingerprint is null)),
    check (request_id is not null or (number = 1 and sequence = 0)),
    check (sequence > 0 or not made_entry)
  )`,

  `create unique index receipt_request on receipt (user_id, request_id)
    where request_id is not null`,

  // The key that signs page tokens: one row, shared by all servers of a ledger, kept over restarts, and
  // unknown to callers.
  `create table page_key (
    id smallint primary key check (id = 1),
    key bytea not null check (octet_length(key) = 32)
  )`,

  `insert into page_key
    values (1, sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')))`,
];

/**
 * The tables of accounts, lots, holds, entries, what is undone, receipts and epochs, and of the page
 * tokens' key; the views and functions that show what is packed.
 */
export class Migration0001Ledger extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}
