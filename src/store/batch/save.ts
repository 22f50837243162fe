import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import type { Changes } from "../../ledger/batch.ts";
import type { Entry } from "../../ledger/entry.ts";
import type { Allocation } from "../../ledger/lot.ts";
import {
  bigints,
  booleans,
  bytes,
  type Columns,
  insertInto,
  rowsOf,
  smallints,
  texts,
  times,
} from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";

/**
 * Writes what a batch changed, in at most nine statements however much it is: every column goes
 * as one array. The unit of work's own flush costs three times as much a command.
 *
 * @throws if another server has just made one of the new accounts (23505): the batch is then
 * tried again, and finds it
 * @throws if not every row was written, which a trigger or a rule of somebody else's may do
 */
export async function save(run: Run, changes: Changes): Promise<void> {
  const { newAccounts, accounts, newLots, lots, holds, entries, refunds, receipts } = changes;
  const counts = new Map(receipts.map(({ userId, number }) => [userId, number]));
  await Promise.all([
    newAccounts.length > 0 && insertAccounts(run, newAccounts, counts),
    accounts.length > 0 && updateAccounts(run, accounts),
    newLots.length > 0 && insertLots(run, newLots),
    lots.length > 0 && updateLots(run, lots),
    holds.length > 0 && upsertHolds(run, holds),
    entries.length > 0 && insertEntries(run, entries),
    refunds.length > 0 && upsertRefunds(run, refunds),
    receipts.length > 0 && insertReceipts(run, receipts),
    receipts.length > 0 && countReceipts(run, counts, newAccounts),
  ]);
}

async function insertAccounts(
  run: Run,
  accounts: readonly Account[],
  receipts: ReadonlyMap<string, bigint>,
): Promise<void> {
  await insertAll(run, "account", accounts, {
    ...accountColumns(accounts),
    receipts: bigints(accounts, ({ userId }) => receipts.get(userId) ?? 0n),
    create_time: times(accounts, (account) => account.createTime),
  });
}

/**
 * @param rows of which there is a value in each column
 * @param onConflict where some of them may be there already
 */
async function insertAll(
  run: Run,
  table: string,
  rows: readonly unknown[],
  columns: Columns,
  onConflict = "",
): Promise<void> {
  const { numAffectedRows } = await run(sql`${insertInto(table, columns)}${sql.raw(onConflict)}`);
  if (numAffectedRows !== BigInt(rows.length)) throw new Error(`a new row of ${table} is gone`);
}

async function updateAccounts(run: Run, accounts: readonly Account[]): Promise<void> {
  const { numAffectedRows } = await run(sql`
    update points.account set
      sequence = new.sequence, balance = new.balance, frozen = new.frozen,
      total_recharged = new.total_recharged, total_consumed = new.total_consumed,
      total_expired = new.total_expired, total_refunded = new.total_refunded,
      hash = new.hash, update_time = new.update_time
    from ${rowsOf({ row: rowColumn(accounts), ...accountColumns(accounts) })} as new
    where account.ctid = new.row and account.user_id = new.user_id`);
  if (numAffectedRows !== BigInt(accounts.length)) throw new Error("a locked account is gone");
}

function accountColumns(accounts: readonly Account[]) {
  return {
    user_id: texts(accounts, (account) => account.userId),
    sequence: bigints(accounts, (account) => account.sequence),
    ...figureColumns(accounts, (account) => account),
    hash: bytes(accounts, (account) => account.hash),
    update_time: times(accounts, (account) => account.updateTime),
  };
}

async function insertLots(run: Run, lots: Changes["lots"]): Promise<void> {
  await insertAll(run, "lot", lots, {
    user_id: texts(lots, (lot) => lot.userId),
    number: bigints(lots, (lot) => lot.number),
    points: bigints(lots, (lot) => lot.points),
    remaining: bigints(lots, (lot) => lot.remaining),
    frozen: bigints(lots, (lot) => lot.frozen),
    priority: smallints(lots, (lot) => lot.priority),
    expire_time: times(lots, (lot) => lot.expireTime),
  });
}

async function updateLots(run: Run, lots: Changes["lots"]): Promise<void> {
  const { numAffectedRows } = await run(sql`
    update points.lot set remaining = new.remaining, frozen = new.frozen
    from ${rowsOf({
      row: rowColumn(lots),
      user_id: texts(lots, (lot) => lot.userId),
      number: bigints(lots, (lot) => lot.number),
      remaining: bigints(lots, (lot) => lot.remaining),
      frozen: bigints(lots, (lot) => lot.frozen),
    })} as new
    where lot.ctid = new.row and lot.user_id = new.user_id and lot.number = new.number`);
  if (numAffectedRows !== BigInt(lots.length)) throw new Error("a lot of a locked account is gone");
}

/**
 * The rows that accounts or lots were found in, which saves a search of the index for each. They are
 * there still: only who has an account locked writes it and its lots, and what moves rows waits for
 * who has read them. Names are compared all the same, so that a mistake writes to no other row.
 */
function rowColumn(found: readonly { readonly row?: string | undefined }[]) {
  return sql`${texts(found, ({ row }) => row ?? null)}::tid`;
}

async function upsertHolds(run: Run, holds: Changes["holds"]): Promise<void> {
  const columns = {
    user_id: texts(holds, (hold) => hold.userId),
    number: bigints(holds, (hold) => hold.number),
    points: bigints(holds, (hold) => hold.points),
    settled: bigints(holds, (hold) => hold.settled),
    status: texts(holds, (hold) => hold.status),
    expire_time: times(holds, (hold) => hold.expireTime),
    ...allocationColumns(holds),
  };
  await insertAll(run, "hold", holds, columns, CLOSE_HOLD);
}

const CLOSE_HOLD = ` on conflict (user_id, number)
  do update set settled = excluded.settled, status = excluded.status`;

async function upsertRefunds(run: Run, refunds: Changes["refunds"]): Promise<void> {
  const columns = {
    user_id: texts(refunds, (refund) => refund.userId),
    sequence: bigints(refunds, (refund) => refund.sequence),
    refunded: bigints(refunds, (refund) => refund.refunded),
  };
  await insertAll(run, "refund", refunds, columns, RAISE_REFUND);
}

const RAISE_REFUND = ` on conflict (user_id, sequence)
  do update set refunded = excluded.refunded`;

async function insertEntries(run: Run, entries: readonly Entry[]): Promise<void> {
  await insertAll(run, "entry", entries, {
    user_id: texts(entries, (entry) => entry.userId),
    sequence: bigints(entries, (entry) => entry.sequence),
    kind: texts(entries, (entry) => entry.kind),
    points: bigints(entries, (entry) => entry.points),
    ...allocationColumns(entries),
    returned: bigints(entries, (entry) => entry.returned),
    refers_to: bigints(entries, (entry) => entry.refersTo),
    create_time: times(entries, (entry) => entry.time),
    expire_time: times(entries, (entry) => entry.expireTime),
    priority: smallints(entries, (entry) => entry.priority),
    service: texts(entries, ({ usage }) => usage?.service ?? null),
    quantity: bigints(entries, ({ usage }) => usage?.quantity ?? null),
    duration_nanos: bigints(entries, ({ usage }) => usage?.durationNanos ?? null),
    price_version: texts(entries, ({ usage }) => usage?.priceVersion ?? null),
    request_id: texts(entries, ({ request }) => request?.id ?? null),
    fingerprint: bytes(entries, ({ request }) => request?.fingerprint ?? null),
    metadata: sql`${texts(entries, ({ metadata }) => toJson(metadata))}::jsonb`,
    ...figureColumns(entries, (entry) => entry.after),
    hash: bytes(entries, (entry) => entry.hash),
    caller: texts(entries, ({ caller }) => (caller === "" ? null : caller)),
  });
}

async function insertReceipts(run: Run, receipts: Changes["receipts"]): Promise<void> {
  await insertAll(run, "receipt", receipts, {
    user_id: texts(receipts, (receipt) => receipt.userId),
    number: bigints(receipts, (receipt) => receipt.number),
    sequence: bigints(receipts, (receipt) => receipt.sequence),
    made_entry: booleans(receipts, (receipt) => receipt.madeEntry),
    request_id: texts(receipts, ({ request }) => request?.id ?? null),
    fingerprint: bytes(receipts, ({ request }) => request?.fingerprint ?? null),
    hash: bytes(receipts, (receipt) => receipt.hash),
  });
}

/**
 * A statement of its own, so that the usual update of an account is no dearer. It comes after that
 * one, and so the row is no longer where it was found.
 */
async function countReceipts(
  run: Run,
  receipts: ReadonlyMap<string, bigint>,
  newAccounts: readonly Account[],
): Promise<void> {
  const isNew = new Set(newAccounts.map(({ userId }) => userId));
  const counts = [...receipts].filter(([userId]) => !isNew.has(userId));
  if (counts.length === 0) return;
  const { numAffectedRows } = await run(sql`
    update points.account set receipts = new.receipts
    from ${rowsOf({
      user_id: texts(counts, ([userId]) => userId),
      receipts: bigints(counts, ([, count]) => count),
    })} as new
    where account.user_id = new.user_id`);
  if (numAffectedRows !== BigInt(counts.length)) throw new Error("a locked account is gone");
}

/** Sent as texts, because unnest would take an array of arrays apart. */
function allocationColumns(rows: readonly { readonly allocations: readonly Allocation[] }[]) {
  const lots = texts(rows, ({ allocations }) => `{${allocations.map(({ lot }) => lot).join()}}`);
  const points = texts(rows, (row) => `{${row.allocations.map((each) => each.points).join()}}`);
  return { lots: sql`${lots}::bigint[]`, lot_points: sql`${points}::bigint[]` };
}

function figureColumns<T>(rows: readonly T[], figures: (row: T) => Account | Entry["after"]) {
  return {
    balance: bigints(rows, (row) => figures(row).balance),
    frozen: bigints(rows, (row) => figures(row).frozen),
    total_recharged: bigints(rows, (row) => figures(row).totalRecharged),
    total_consumed: bigints(rows, (row) => figures(row).totalConsumed),
    total_expired: bigints(rows, (row) => figures(row).totalExpired),
    total_refunded: bigints(rows, (row) => figures(row).totalRefunded),
  };
}

function toJson(metadata: ReadonlyMap<string, string>): string | null {
  return metadata.size === 0 ? null : JSON.stringify(Object.fromEntries(metadata));
}
