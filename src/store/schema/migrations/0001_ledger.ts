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
  // `receipts` is where it costs no space: it fills the padding between the hash of 33 bytes and the
  // times, which begin at a multiple of eight.
  `create table points.account (
    user_id ${ID} primary key,
    sequence bigint not null check (sequence >= 0),
    ${FIGURES},
    hash bytea not null check (octet_length(hash) = 32),
    receipts integer not null default 0 check (receipts >= 0),
    create_time timestamptz not null,
    update_time timestamptz not null,
    ${FIGURES_CHECK}
  ) with (fillfactor = 70)`,

  // `open` is a column, and not only a condition of the indexes: an update of `remaining` would
  // otherwise count as a change of an indexed column, and not be HOT.
  `create table points.lot (
    user_id ${ID},
    number bigint not null check (number > 0),
    points bigint not null check (points > 0),
    remaining bigint not null check (remaining >= 0),
    frozen bigint not null check (frozen >= 0),
    priority smallint not null check (priority between 0 and 1000),
    expire_time timestamptz,
    open boolean generated always as (remaining > 0 or frozen > 0) stored,
    primary key (user_id, number),
    check (remaining + frozen <= points)
  ) with (fillfactor = 70)`,

  `create index lot_open
    on points.lot (user_id, priority, (coalesce(expire_time, 'infinity')), number)
    where open`,

  `create index lot_due on points.lot (expire_time, user_id, number)
    where open and expire_time is not null`,

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

  `create index hold_due on points.hold (expire_time, user_id, number) where status = 'open'`,

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
    fingerprint bytea check (octet_length(fingerprint) = 32),
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
    fingerprint bytea check (octet_length(fingerprint) = 32),
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
