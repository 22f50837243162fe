import { sql, type Kysely } from "kysely";
import type { Account } from "../ledger/account.ts";
import type { Changes } from "../ledger/batch.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Allocation } from "../ledger/lot.ts";
import { toTimestamptz } from "./instant.ts";
import type { EntityManager } from "./orm.ts";

/**
 * Writes what a batch changed, in at most seven statements however much it is: every column goes
 * as one array. The unit of work's own flush costs three times as much a command.
 *
 * @throws if another replica has just made one of the new accounts (23505): the batch is then
 * tried again, and finds it
 */
export async function save(em: EntityManager, changes: Changes): Promise<void> {
  const db = em.getKysely<unknown>();
  if (changes.newAccounts.length > 0) await insertAccounts(db, changes.newAccounts);
  if (changes.accounts.length > 0) await updateAccounts(db, changes.accounts);
  if (changes.lots.length > 0) await upsertLots(db, changes.lots);
  if (changes.holds.length > 0) await upsertHolds(db, changes.holds);
  if (changes.entries.length > 0) await insertEntries(db, changes.entries);
  if (changes.refunds.length > 0) await upsertRefunds(db, changes.refunds);
  if (changes.receipts.length > 0) await insertReceipts(db, changes.receipts);
}

type Db = Kysely<unknown>;

async function insertAccounts(db: Db, accounts: readonly Account[]): Promise<void> {
  await sql`
    insert into points.account (
      user_id, sequence, balance, frozen, total_recharged, total_consumed, total_expired,
      total_refunded, hash, update_time, create_time)
    select * from unnest(
      ${accountColumns(accounts)},
      ${times(accounts, ({ createTime }) => createTime)})`.execute(db);
}

async function updateAccounts(db: Db, accounts: readonly Account[]): Promise<void> {
  const { numAffectedRows } = await sql`
    update points.account set
      sequence = new.sequence, balance = new.balance, frozen = new.frozen,
      total_recharged = new.total_recharged, total_consumed = new.total_consumed,
      total_expired = new.total_expired, total_refunded = new.total_refunded,
      hash = new.hash, update_time = new.update_time
    from unnest(${accountColumns(accounts)}) as new (
      user_id, sequence, balance, frozen, total_recharged, total_consumed, total_expired,
      total_refunded, hash, update_time)
    where account.user_id = new.user_id`.execute(db);
  if (numAffectedRows !== BigInt(accounts.length)) throw new Error("a locked account is gone");
}

function accountColumns(accounts: readonly Account[]) {
  return sql.join([
    texts(accounts, (account) => account.userId),
    bigints(accounts, (account) => account.sequence),
    ...figureColumns(accounts, (account) => account),
    bytes(accounts, (account) => account.hash),
    times(accounts, (account) => account.updateTime),
  ]);
}

async function upsertLots(db: Db, lots: Changes["lots"]): Promise<void> {
  await sql`
    insert into points.lot (user_id, number, points, remaining, frozen, priority, expire_time)
    select * from unnest(
      ${texts(lots, (lot) => lot.userId)},
      ${bigints(lots, (lot) => lot.number)},
      ${bigints(lots, (lot) => lot.points)},
      ${bigints(lots, (lot) => lot.remaining)},
      ${bigints(lots, (lot) => lot.frozen)},
      ${smallints(lots, (lot) => lot.priority)},
      ${times(lots, (lot) => lot.expireTime)})
    on conflict (user_id, number) do update
    set remaining = excluded.remaining, frozen = excluded.frozen`.execute(db);
}

async function upsertHolds(db: Db, holds: Changes["holds"]): Promise<void> {
  await sql`
    insert into points.hold (
      user_id, number, points, settled, status, expire_time, lots, lot_points)
    select user_id, number, points, settled, status, expire_time, lots::bigint[],
      lot_points::bigint[]
    from unnest(
      ${texts(holds, (hold) => hold.userId)},
      ${bigints(holds, (hold) => hold.number)},
      ${bigints(holds, (hold) => hold.points)},
      ${bigints(holds, (hold) => hold.settled)},
      ${texts(holds, (hold) => hold.status)},
      ${times(holds, (hold) => hold.expireTime)},
      ${sql.join(allocationColumns(holds))}
    ) as new (user_id, number, points, settled, status, expire_time, lots, lot_points)
    on conflict (user_id, number) do update
    set settled = excluded.settled, status = excluded.status`.execute(db);
}

async function upsertRefunds(db: Db, refunds: Changes["refunds"]): Promise<void> {
  await sql`
    insert into points.refund (user_id, sequence, refunded)
    select * from unnest(
      ${texts(refunds, (refund) => refund.userId)},
      ${bigints(refunds, (refund) => refund.sequence)},
      ${bigints(refunds, (refund) => refund.refunded)})
    on conflict (user_id, sequence) do update set refunded = excluded.refunded`.execute(db);
}

async function insertEntries(db: Db, entries: readonly Entry[]): Promise<void> {
  await sql`
    insert into points.entry (
      user_id, sequence, kind, points, lots, lot_points, returned, refers_to, create_time,
      expire_time, priority, service, quantity, duration_nanos, price_version, request_id,
      fingerprint, metadata, balance, frozen, total_recharged, total_consumed, total_expired,
      total_refunded, hash)
    select user_id, sequence, kind, points, lots::bigint[], lot_points::bigint[], returned,
      refers_to, create_time, expire_time, priority, service, quantity, duration_nanos,
      price_version, request_id, fingerprint, metadata::jsonb, balance, frozen, total_recharged,
      total_consumed, total_expired, total_refunded, hash
    from unnest(
      ${texts(entries, (entry) => entry.userId)},
      ${bigints(entries, (entry) => entry.sequence)},
      ${texts(entries, (entry) => entry.kind)},
      ${bigints(entries, (entry) => entry.points)},
      ${sql.join(allocationColumns(entries))},
      ${bigints(entries, (entry) => entry.returned)},
      ${bigints(entries, (entry) => entry.refersTo)},
      ${times(entries, (entry) => entry.time)},
      ${times(entries, (entry) => entry.expireTime)},
      ${smallints(entries, (entry) => entry.priority)},
      ${texts(entries, ({ usage }) => usage?.service ?? null)},
      ${bigints(entries, ({ usage }) => usage?.quantity ?? null)},
      ${bigints(entries, ({ usage }) => usage?.durationNanos ?? null)},
      ${texts(entries, ({ usage }) => usage?.priceVersion ?? null)},
      ${texts(entries, ({ request }) => request?.id ?? null)},
      ${bytes(entries, ({ request }) => request?.fingerprint ?? null)},
      ${texts(entries, ({ metadata }) => toJson(metadata))},
      ${sql.join(figureColumns(entries, (entry) => entry.after))},
      ${bytes(entries, (entry) => entry.hash)}
    ) as new (
      user_id, sequence, kind, points, lots, lot_points, returned, refers_to, create_time,
      expire_time, priority, service, quantity, duration_nanos, price_version, request_id,
      fingerprint, metadata, balance, frozen, total_recharged, total_consumed, total_expired,
      total_refunded, hash)`.execute(db);
}

/** As texts of arrays, because unnest would take an array of arrays apart. */
function allocationColumns(rows: readonly { readonly allocations: readonly Allocation[] }[]) {
  return [
    texts(rows, ({ allocations }) => `{${allocations.map(({ lot }) => lot).join()}}`),
    texts(rows, ({ allocations }) => `{${allocations.map(({ points }) => points).join()}}`),
  ];
}

async function insertReceipts(db: Db, receipts: Changes["receipts"]): Promise<void> {
  await sql`
    insert into points.receipt (user_id, request_id, fingerprint, sequence)
    select * from unnest(
      ${texts(receipts, ({ account }) => account.userId)},
      ${texts(receipts, ({ request }) => request.id)},
      ${bytes(receipts, ({ request }) => request.fingerprint)},
      ${bigints(receipts, ({ account }) => account.sequence)})`.execute(db);
}

function toJson(metadata: ReadonlyMap<string, string>): string | null {
  return metadata.size === 0 ? null : JSON.stringify(Object.fromEntries(metadata));
}

function figureColumns<T>(rows: readonly T[], figures: (row: T) => Account | Entry["after"]) {
  return [
    bigints(rows, (row) => figures(row).balance),
    bigints(rows, (row) => figures(row).frozen),
    bigints(rows, (row) => figures(row).totalRecharged),
    bigints(rows, (row) => figures(row).totalConsumed),
    bigints(rows, (row) => figures(row).totalExpired),
    bigints(rows, (row) => figures(row).totalRefunded),
  ];
}

function texts<T>(rows: readonly T[], value: (row: T) => string | null) {
  return sql`${rows.map(value)}::text[]`;
}

function bigints<T>(rows: readonly T[], value: (row: T) => bigint | null) {
  return sql`${rows.map((row) => value(row)?.toString() ?? null)}::bigint[]`;
}

function smallints<T>(rows: readonly T[], value: (row: T) => number) {
  return sql`${rows.map(value)}::smallint[]`;
}

function times<T>(rows: readonly T[], value: (row: T) => bigint | null) {
  const text = (time: bigint | null) => (time === null ? null : toTimestamptz(time));
  return sql`${rows.map((row) => text(value(row)))}::timestamptz[]`;
}

function bytes<T>(rows: readonly T[], value: (row: T) => Uint8Array | null) {
  return sql`${rows.map(value)}::bytea[]`;
}
