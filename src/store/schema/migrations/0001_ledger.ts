import { Migration } from "@mikro-orm/migrations";

const FIGURES = `
  balance bigint not null,
  frozen bigint not null,
  total_recharged bigint not null,
  total_consumed bigint not null,
  total_expired bigint not null,
  total_refunded bigint not null`;

// Invariants that the database enforces, whatever bug there is: the ledger's equation, and that no
// figure is negative or past 2^53 - 1.
const FIGURES_CHECK = `
  check (balance + frozen + total_consumed + total_expired = total_recharged + total_refunded),
  check (balance >= 0 and frozen >= 0 and total_consumed >= 0 and total_expired >= 0),
  check (total_recharged >= 0 and total_refunded >= 0),
  check (total_recharged + total_refunded <= 9007199254740991)`;

// Ids compare by their bytes, so that locks are taken in the same order whatever the database's locale
// is. "C" is also the fastest collation.
const ID = `text collate "C" not null`;

const STATEMENTS = [
  // A fillfactor below 100 leaves room in the page for the row's next version: a HOT update, which
  // touches no index.
  // `lots` are the open lots that burn first, packed (src/store/batch/packed-lots.ts). Those beyond
  // them are in the table lot, and their number and sums here: a charge reads and writes this row
  // alone. The view open_lot shows both as rows.
  // `receipts` and `open_holds` are where they cost little space: they fill the padding between the
  // hash and the salt, of 50 bytes, and the times, which begin at a multiple of eight.
  `create table points.account (
    user_id ${ID} primary key,
    sequence bigint not null check (sequence >= 0),
    ${FIGURES},
    hash bytea not null check (octet_length(hash) = 32),
    salt bytea not null check (octet_length(salt) = 16),
    receipts integer not null default 0 check (receipts >= 0),
    open_holds integer not null default 0 check (open_holds >= 0),
    due_time timestamptz,
    create_time timestamptz not null,
    update_time timestamptz not null,
    lots_beyond integer not null default 0 check (lots_beyond >= 0),
    beyond_remaining bigint not null default 0 check (beyond_remaining between 0 and balance),
    beyond_frozen bigint not null default 0 check (beyond_frozen between 0 and frozen),
    lots bytea not null default '' check (octet_length(lots) <= 2048),
    ${FIGURES_CHECK}
  ) with (fillfactor = 70)`,

  // The account's clock, for the sweeper: nothing of an account falls due before. It changes seldom,
  // so that most updates are still HOT.
  `create index account_due on points.account (due_time, user_id) where due_time is not null`,

  // The open lots that are not in their account's row. A spendable lot burns after every spendable
  // lot of the row. A closed lot is nowhere: the entry that made it says what it was.
  `create table points.lot (
    user_id ${ID},
    number bigint not null check (number > 0),
    points bigint not null check (points > 0),
    remaining bigint not null check (remaining >= 0),
    frozen bigint not null check (frozen >= 0),
    priority smallint not null check (priority between 0 and 1000),
    expire_time timestamptz,
    primary key (user_id, number),
    check (remaining + frozen between 1 and points)
  ) with (fillfactor = 70)`,

  // The lots that a column of account holds. PostgreSQL 15 casts no bytea to bigint, but bits.
  // An interval times a number of microseconds would not be exact, and so seconds go apart.
  `create function points.unpack_lots(packed bytea) returns table (
    number bigint, points bigint, remaining bigint, frozen bigint, priority smallint,
    expire_time timestamptz
  ) language sql stable strict parallel safe set search_path = pg_catalog as $$
    select
      ('x' || substr(hex, 1, 16))::bit(64)::bigint,
      ('x' || substr(hex, 17, 16))::bit(64)::bigint,
      ('x' || substr(hex, 33, 16))::bit(64)::bigint,
      ('x' || substr(hex, 49, 16))::bit(64)::bigint,
      ('x' || substr(hex, 65, 4))::bit(16)::integer::smallint,
      case when micros < 9223372036854775807 then timestamptz 'epoch'
        + micros / 1000000 * interval '1 second' + micros % 1000000 * interval '1 microsecond' end
    from generate_series(0, octet_length(packed) / 44 - 1) as place
    cross join lateral encode(substring(packed from 44 * place + 3 for 42), 'hex') as hex
    cross join lateral (select ('x' || substr(hex, 69, 16))::bit(64)::bigint as micros) as time
    order by place
  $$`,

  // What a batch calls behind each of its writes: its COMMIT is on its way by then. A foreign trigger
  // or rule may have kept a row from being written.
  `create function points.require_rows(written bigint, expected bigint, otherwise text) returns void
  language plpgsql stable parallel safe as $$
    begin
      if written operator(pg_catalog.<>) expected then
        raise exception using message = otherwise;
      end if;
    end
  $$`,

  // All open lots.
  `create view points.open_lot with (security_invoker = true) as
    select account.user_id, unpacked.number, unpacked.points, unpacked.remaining, unpacked.frozen,
      unpacked.priority, unpacked.expire_time, true as in_row
    from points.account cross join lateral points.unpack_lots(account.lots) as unpacked
    union all
    select lot.user_id, lot.number, lot.points, lot.remaining, lot.frozen, lot.priority,
      lot.expire_time, false as in_row
    from points.lot`,

  `create table points.hold (
    user_id ${ID},
    number bigint not null check (number > 0),
    points bigint not null check (points >= 0),
    settled bigint not null check (settled between 0 and points),
    status text not null check (status in ('open', 'settled', 'released', 'expired')),
    expire_time timestamptz not null,
    lots bigint[] not null,
    lot_points bigint[] not null,
    primary key (user_id, number),
    check (cardinality(lots) = cardinality(lot_points)),
    check (settled = 0 or status = 'settled')
  )`,

  `create index hold_open on points.hold (user_id, expire_time, number) where status = 'open'`,

  `create table points.entry (
    user_id ${ID},
    sequence bigint not null check (sequence > 0),
    kind text not null check (
      kind in ('recharge', 'consume', 'expire', 'freeze', 'settle', 'release', 'refund')),
    points bigint not null check (points >= 0),
    lots bigint[] not null,
    lot_points bigint[] not null,
    returned bigint not null check (returned >= 0),
    refers_to bigint,
    create_time timestamptz not null,
    expire_time timestamptz,
    priority smallint not null,
    service text,
    quantity bigint,
    duration_nanos bigint,
    price_version text,
    request_id text collate "C",
    fingerprint bytea check (octet_length(fingerprint) = 16),
    metadata jsonb,
    ${FIGURES},
    hash bytea not null check (octet_length(hash) = 32),
    caller text collate "C" check (length(caller) between 1 and 128),
    primary key (user_id, sequence),
    check (cardinality(lots) = cardinality(lot_points)),
    check ((request_id is null) = (fingerprint is null)),
    check ((refers_to is not null) = (kind in ('settle', 'release', 'refund'))),
    check ((service is null) = (price_version is null)),
    ${FIGURES_CHECK}
  )`,

  `create unique index entry_request on points.entry (user_id, request_id)
    where request_id is not null`,

  // How much of a consume or settle entry has been refunded. Entries themselves are immutable.
  `create table points.refund (
    user_id ${ID},
    sequence bigint not null check (sequence > 0),
    refunded bigint not null check (refunded > 0),
    primary key (user_id, sequence)
  )`,

  // Idempotency records of requests that succeeded without an entry of their own. "made_entry": the
  // answer was the entry of that sequence, which the request had booked; otherwise the sequence is that
  // of the account's last entry at the time. Without a request id: the request made the account.
  `create table points.receipt (
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

  `create unique index receipt_request on points.receipt (user_id, request_id)
    where request_id is not null`,

  // The key that signs page tokens: one row, shared by all servers of a ledger, kept over restarts, and
  // unknown to callers.
  `create table points.page_key (
    id smallint primary key check (id = 1),
    key bytea not null check (octet_length(key) = 32)
  )`,

  `insert into points.page_key
    values (1, sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')))`,
];

/** The tables of accounts, lots, holds, entries, refunds and receipts, and of the page tokens' key. */
export class Migration0001Ledger extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}
