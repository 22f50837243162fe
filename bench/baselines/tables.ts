import { defineEntity, p } from "@mikro-orm/postgresql";
import type { EntryKind } from "../../src/ledger/entry.ts";
import { InstantType } from "../../src/store/driver/instant.ts";
import type { Database } from "../cluster.ts";
import { CREATE_CONSUME } from "./function.ts";

// The baselines' tables, in a schema of their own: a row an account, a lot and an entry, as most
// people would make them. Points had them like this until it kept the open lots in the account's
// row, so that the baselines stay what they were, whatever Points does to its own tables. A seed's
// entries are recharges and consumes of one lot each.

const FIGURES = `
  balance bigint not null,
  frozen bigint not null,
  total_recharged bigint not null,
  total_consumed bigint not null,
  total_expired bigint not null,
  total_refunded bigint not null,
  check (balance + frozen + total_consumed + total_expired = total_recharged + total_refunded),
  check (balance >= 0 and frozen >= 0 and total_consumed >= 0 and total_expired >= 0),
  check (total_recharged >= 0 and total_refunded >= 0),
  check (total_recharged + total_refunded <= 9007199254740991)`;
const ID = `text collate "C" not null`;

/** Makes the tables with the rows of the accounts that Points has, and the SQL function. */
export async function createBaseline({ query }: Pick<Database, "query">): Promise<void> {
  await query(CREATE_TABLES);
  await query(CREATE_CONSUME);
  await query("vacuum (analyze) baseline.account, baseline.lot, baseline.entry");
}

const CREATE_TABLES = `
create schema baseline;
create table baseline.account (
  user_id ${ID} primary key,
  sequence bigint not null check (sequence >= 0),
  hash bytea not null check (octet_length(hash) = 32),
  salt bytea not null check (octet_length(salt) = 16),
  create_time timestamptz not null,
  update_time timestamptz not null,
  ${FIGURES}
) with (fillfactor = 70);
create table baseline.lot (
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
) with (fillfactor = 70);
create index on baseline.lot (user_id, priority, (coalesce(expire_time, 'infinity')), number)
  where open;
create table baseline.entry (
  user_id ${ID},
  sequence bigint not null check (sequence > 0),
  kind text not null check (kind in ('recharge', 'consume')),
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
  fingerprint bytea check (octet_length(fingerprint) in (16, 32)),
  metadata jsonb,
  ${FIGURES},
  hash bytea not null check (octet_length(hash) = 32),
  caller text collate "C" check (length(caller) between 1 and 128),
  primary key (user_id, sequence),
  check (cardinality(lots) = cardinality(lot_points)),
  check ((request_id is null) = (fingerprint is null)),
  check (refers_to is null),
  check ((service is null) = (price_version is null))
);
create unique index on baseline.entry (user_id, request_id) where request_id is not null;
insert into baseline.account (user_id, sequence, balance, frozen, total_recharged, total_consumed,
    total_expired, total_refunded, hash, salt, create_time, update_time)
  select user_id, sequence, balance, frozen, total_recharged, total_consumed, total_expired,
    total_refunded, hash, salt, create_time, update_time
  from points.account;
insert into baseline.lot (user_id, number, points, remaining, frozen, priority, expire_time)
  select user_id, number, points, remaining, frozen, priority, expire_time from points.open_lot;
insert into baseline.entry (user_id, sequence, kind, points, lots, lot_points, returned, create_time,
    expire_time, priority, request_id, fingerprint, balance, frozen, total_recharged,
    total_consumed, total_expired, total_refunded, hash)
  select user_id, sequence, case kind when 1 then 'recharge' else 'consume' end, points,
    array[('x' || lpad(encode(substring(allocations from 2 for get_byte(allocations, 0) >> 4), 'hex'),
      16, '0'))::bit(64)::bigint],
    array[points], 0, create_time, expire_time, 0, request_id, fingerprint, balance, 0,
    total_recharged, total_consumed, 0, 0, hash
  from points.entry`;

const instant = () => p.type(InstantType);
const points = () => p.bigint();
const userId = () => p.text().collation("C").primary();
const bigints = () => p.array().columnType("bigint[]");

const figures = {
  balance: points(),
  frozen: points(),
  totalRecharged: points(),
  totalConsumed: points(),
  totalExpired: points(),
  totalRefunded: points(),
};

export const AccountTable = defineEntity({
  name: "BaselineAccount",
  schema: "baseline",
  tableName: "account",
  properties: {
    userId: userId(),
    sequence: p.bigint(),
    ...figures,
    hash: p.blob(),
    salt: p.blob(),
    createTime: instant(),
    updateTime: instant(),
  },
});

export const LotTable = defineEntity({
  name: "BaselineLot",
  schema: "baseline",
  tableName: "lot",
  properties: {
    userId: userId(),
    number: p.bigint().primary(),
    points: points(),
    remaining: points(),
    frozen: points(),
    priority: p.smallint(),
    expireTime: instant().nullable(),
  },
});

export const EntryTable = defineEntity({
  name: "BaselineEntry",
  schema: "baseline",
  tableName: "entry",
  properties: {
    userId: userId(),
    sequence: p.bigint().primary(),
    kind: p.text().$type<EntryKind>(),
    points: points(),
    lots: bigints(),
    lotPoints: bigints(),
    returned: points(),
    refersTo: p.bigint().nullable(),
    createTime: instant(),
    expireTime: instant().nullable(),
    priority: p.smallint(),
    service: p.text().nullable(),
    quantity: p.bigint().nullable(),
    durationNanos: p.bigint().nullable(),
    priceVersion: p.text().nullable(),
    requestId: p.text().collation("C").nullable(),
    fingerprint: p.blob().nullable(),
    metadata: p.json<Record<string, string>>().nullable(),
    ...figures,
    hash: p.blob(),
    caller: p.text().collation("C").nullable(),
  },
});
