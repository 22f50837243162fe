import { sql } from "kysely";
import type { Account } from "../ledger/account.ts";
import type { Changes } from "../ledger/batch.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Allocation } from "../ledger/lot.ts";
import { bigints, bytes, smallints, texts, times } from "./columns.ts";
import type { Run } from "./transaction.ts";

/**
 * Writes what a batch changed, in at most eight statements however much it is: every column goes
 * as one array. The unit of work's own flush costs three times as much a command.
 *
 * @throws if another server has just made one of the new accounts (23505): the batch is then
 * tried again, and finds it
 */
export async function save(run: Run, changes: Changes): Promise<void> {
  const { newAccounts, accounts, newLots, lots, holds, entries, refunds, receipts } = changes;
  await Promise.all([
    newAccounts.length > 0 && insertAccounts(run, newAccounts),
    accounts.length > 0 && updateAccounts(run, accounts),
    newLots.length > 0 && insertLots(run, newLots),
    lots.length > 0 && updateLots(run, lots),
    holds.length > 0 && upsertHolds(run, holds),
    entries.length > 0 && insertEntries(run, entries),
    refunds.length > 0 && upsertRefunds(run, refunds),
    receipts.length > 0 && insertReceipts(run, receipts),
  ]);
}

async function insertAccounts(run: Run, accounts: readonly Account[]): Promise<void> {
  await run(sql`
    insert into points.account (
      user_id, sequence, balance, frozen, total_recharged, total_consumed, total_expired,
      total_refunded, hash, update_time, create_time)
    select * from unnest(
      ${accountColumns(accounts)},
      ${times(accounts, ({ createTime }) => createTime)})`);
}

async function updateAccounts(run: Run, accounts: readonly Account[]): Promise<void> {
  const { numAffectedRows } = await run(sql`
    update points.account set
      sequence = new.sequence, balance = new.balance, frozen = new.frozen,
      total_recharged = new.total_recharged, total_consumed = new.total_consumed,
      total_expired = new.total_expired, total_refunded = new.total_refunded,
      hash = new.hash, update_time = new.update_time
    from unnest(${accountColumns(accounts)}) as new (
      user_id, sequence, balance, frozen, total_recharged, total_consumed, total_expired,
      total_refunded, hash, update_time)
    where account.user_id = new.user_id`);
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

async function insertLots(run: Run, lots: Changes["lots"]): Promise<void> {
  await run(sql`
    insert into points.lot (user_id, number, points, remaining, frozen, priority, expire_time)
    select * from unnest(
      ${texts(lots, (lot) => lot.userId)},
      ${bigints(lots, (lot) => lot.number)},
      ${bigints(lots, (lot) => lot.points)},
      ${bigints(lots, (lot) => lot.remaining)},
      ${bigints(lots, (lot) => lot.frozen)},
      ${smallints(lots, (lot) => lot.priority)},
      ${times(lots, (lot) => lot.expireTime)})`);
}

/**
 * By the rows that they were found in, which saves a search of the index for each. They are there
 * still: only who has the account locked writes its lots, and what moves rows waits for who has read
 * them. Names are compared all the same, so that a mistake writes to no other lot.
 */
async function updateLots(run: Run, lots: Changes["lots"]): Promise<void> {
  const { numAffectedRows } = await run(sql`
    update points.lot set remaining = new.remaining, frozen = new.frozen
    from unnest(
      ${texts(lots, (lot) => lot.row ?? null)}::tid[],
      ${texts(lots, (lot) => lot.userId)},
      ${bigints(lots, (lot) => lot.number)},
      ${bigints(lots, (lot) => lot.remaining)},
      ${bigints(lots, (lot) => lot.frozen)}
    ) as new (row, user_id, number, remaining, frozen)
    where lot.ctid = new.row and lot.user_id = new.user_id and lot.number = new.number`);
  if (numAffectedRows !== BigInt(lots.length)) throw new Error("a lot of a locked account is gone");
}

async function upsertHolds(run: Run, holds: Changes["holds"]): Promise<void> {
  await run(sql`
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
    set settled = excluded.settled, status = excluded.status`);
}

async function upsertRefunds(run: Run, refunds: Changes["refunds"]): Promise<void> {
  await run(sql`
    insert into points.refund (user_id, sequence, refunded)
    select * from unnest(
      ${texts(refunds, (refund) => refund.userId)},
      ${bigints(refunds, (refund) => refund.sequence)},
      ${bigints(refunds, (refund) => refund.refunded)})
    on conflict (user_id, sequence) do update set refunded = excluded.refunded`);
}

async function insertEntries(run: Run, entries: readonly Entry[]): Promise<void> {
  await run(sql`
    insert into points.entry (
      user_id, sequence, kind, points, lots, lot_points, returned, refers_to, create_time,
      expire_time, priority, service, quantity, duration_nanos, price_version, request_id,
      fingerprint, metadata, balance, frozen, total_recharged, total_consumed, total_expired,
      total_refunded, hash, caller)
    select user_id, sequence, kind, points, lots::bigint[], lot_points::bigint[], returned,
      refers_to, create_time, expire_time, priority, service, quantity, duration_nanos,
      price_version, request_id, fingerprint, metadata::jsonb, balance, frozen, total_recharged,
      total_consumed, total_expired, total_refunded, hash, caller
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
      ${bytes(entries, (entry) => entry.hash)},
      ${texts(entries, ({ caller }) => (caller === "" ? null : caller))}
    ) as new (
      user_id, sequence, kind, points, lots, lot_points, returned, refers_to, create_time,
      expire_time, priority, service, quantity, duration_nanos, price_version, request_id,
      fingerprint, metadata, balance, frozen, total_recharged, total_consumed, total_expired,
      total_refunded, hash, caller)`);
}

/** As texts of arrays, because unnest would take an array of arrays apart. */
function allocationColumns(rows: readonly { readonly allocations: readonly Allocation[] }[]) {
  return [
    texts(rows, ({ allocations }) => `{${allocations.map(({ lot }) => lot).join()}}`),
    texts(rows, ({ allocations }) => `{${allocations.map(({ points }) => points).join()}}`),
  ];
}

async function insertReceipts(run: Run, receipts: Changes["receipts"]): Promise<void> {
  await run(sql`
    insert into points.receipt (user_id, request_id, fingerprint, sequence)
    select * from unnest(
      ${texts(receipts, ({ account }) => account.userId)},
      ${texts(receipts, ({ request }) => request.id)},
      ${bytes(receipts, ({ request }) => request.fingerprint)},
      ${bigints(receipts, ({ account }) => account.sequence)})`);
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
