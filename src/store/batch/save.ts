import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import type { Changes } from "../../ledger/batch.ts";
import type { Entry } from "../../ledger/entry.ts";
import type { Allocation } from "../../ledger/lot.ts";
import {
  bigints,
  booleans,
  bytes,
  rowsOf,
  smallints,
  texts,
  tids,
  times,
} from "../driver/columns.ts";
import { packLots } from "./packed-lots.ts";
import type { Rows } from "./rows.ts";
import { placeAll, type Places, savingLots } from "./save-lots.ts";
import { insertAll, requireRows, type Write } from "./write.ts";

/**
 * The statements that write a batch's changes: at most eleven, whatever its size, since each column
 * goes as one array. The ORM's flush costs three times as much a command.
 *
 * A batch of charges needs two: one updates accounts, whose rows hold the lots that burn first, and
 * one inserts entries. Each fails if not every row was written, because of a foreign trigger or rule,
 * and with SQLSTATE 23505 if another server has just made one of the new accounts: the next attempt
 * of the batch finds it.
 *
 * @param rows the rows in which the accounts and lots were found
 */
export function saving(changes: Changes, rows: Rows): readonly Write[] {
  const { newAccounts, accounts, dueTimes, holds, entries, refunds, receipts } = changes;
  const counts = new Map(receipts.map(({ userId, number }) => [userId, number]));
  const places = placeAll(changes, rows);
  const counted = [...counts.keys()].filter((userId) => rows.accounts.has(userId));
  return [
    newAccounts.length > 0 && insertAccounts(newAccounts, { places, receipts: counts }),
    accounts.length > 0 && updateAccounts(accounts, { places, rows }),
    dueTimes.length > 0 && updateDueTimes(dueTimes),
    ...savingLots(places, rows),
    holds.length > 0 && upsertHolds(holds),
    entries.length > 0 && insertEntries(entries),
    refunds.length > 0 && upsertRefunds(refunds),
    receipts.length > 0 && insertReceipts(receipts),
    counted.length > 0 && countReceipts(counted, counts),
  ].filter((write) => write !== false);
}

function insertAccounts(
  accounts: Changes["accounts"],
  { places, receipts }: { places: Places; receipts: ReadonlyMap<string, bigint> },
): Write {
  const columns = {
    ...accountColumns(accounts, places),
    salt: bytes(accounts, (account) => account.salt),
    receipts: bigints(accounts, ({ userId }) => receipts.get(userId) ?? 0n),
    create_time: times(accounts, (account) => account.createTime),
  };
  return insertAll({ table: "account", columns, count: accounts.length });
}

const ACCOUNT_GONE = "a locked account is gone";

// The updates find rows by ctid, which saves a search of an index a row. They compare the keys all
// the same, so that a mistake never writes to another row.

function updateAccounts(
  accounts: Changes["accounts"],
  { places, rows }: { places: Places; rows: Rows },
): Write {
  const row = tids(accounts, ({ userId }) => rows.accounts.get(userId)?.ctid);
  const update = sql`
    update points.account set
      sequence = new.sequence, balance = new.balance, frozen = new.frozen,
      total_recharged = new.total_recharged, total_consumed = new.total_consumed,
      total_expired = new.total_expired, total_refunded = new.total_refunded,
      hash = new.hash, update_time = new.update_time, due_time = new.due_time,
      open_holds = new.open_holds, lots = new.lots, lots_beyond = new.lots_beyond,
      beyond_remaining = new.beyond_remaining, beyond_frozen = new.beyond_frozen
    from ${rowsOf({ row, ...accountColumns(accounts, places) })} as new
    where account.ctid = new.row and account.user_id = new.user_id`;
  return requireRows(update, accounts.length, ACCOUNT_GONE);
}

function updateDueTimes(accounts: Changes["dueTimes"]): Write {
  const update = sql`
    update points.account set due_time = new.due_time
    from ${rowsOf({
      user_id: texts(accounts, ({ userId }) => userId),
      due_time: times(accounts, ({ dueTime }) => dueTime),
    })} as new
    where account.user_id = new.user_id`;
  return requireRows(update, accounts.length, ACCOUNT_GONE);
}

function accountColumns(accounts: Changes["accounts"], places: Places) {
  const beyond = ({ userId }: Account) => places.get(userId)!.beyond;
  return {
    user_id: texts(accounts, (account) => account.userId),
    sequence: bigints(accounts, (account) => account.sequence),
    ...figureColumns(accounts, (account) => account),
    hash: bytes(accounts, (account) => account.hash),
    update_time: times(accounts, (account) => account.updateTime),
    due_time: times(accounts, (account) => account.dueTime),
    open_holds: bigints(accounts, (account) => BigInt(account.openHolds)),
    lots: bytes(accounts, ({ userId }) => packLots(places.get(userId)!.row)),
    lots_beyond: bigints(accounts, (account) => BigInt(beyond(account).count)),
    beyond_remaining: bigints(accounts, (account) => beyond(account).remaining),
    beyond_frozen: bigints(accounts, (account) => beyond(account).frozen),
  };
}

function upsertHolds(holds: Changes["holds"]): Write {
  const columns = {
    user_id: texts(holds, (hold) => hold.userId),
    number: bigints(holds, (hold) => hold.number),
    points: bigints(holds, (hold) => hold.points),
    settled: bigints(holds, (hold) => hold.settled),
    status: texts(holds, (hold) => hold.status),
    expire_time: times(holds, (hold) => hold.expireTime),
    ...allocationColumns(holds),
  };
  return insertAll({ table: "hold", columns, count: holds.length, onConflict: CLOSE_HOLD });
}

const CLOSE_HOLD = ` on conflict (user_id, number)
  do update set settled = excluded.settled, status = excluded.status`;

function upsertRefunds(refunds: Changes["refunds"]): Write {
  const columns = {
    user_id: texts(refunds, (refund) => refund.userId),
    sequence: bigints(refunds, (refund) => refund.sequence),
    refunded: bigints(refunds, (refund) => refund.refunded),
  };
  return insertAll({
    table: "refund",
    columns,
    count: refunds.length,
    onConflict: RAISE_REFUND,
  });
}

const RAISE_REFUND = ` on conflict (user_id, sequence)
  do update set refunded = excluded.refunded`;

function insertEntries(entries: readonly Entry[]): Write {
  const columns = {
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
  };
  return insertAll({ table: "entry", columns, count: entries.length });
}

function insertReceipts(receipts: Changes["receipts"]): Write {
  const columns = {
    user_id: texts(receipts, (receipt) => receipt.userId),
    number: bigints(receipts, (receipt) => receipt.number),
    sequence: bigints(receipts, (receipt) => receipt.sequence),
    made_entry: booleans(receipts, (receipt) => receipt.madeEntry),
    request_id: texts(receipts, ({ request }) => request?.id ?? null),
    fingerprint: bytes(receipts, ({ request }) => request?.fingerprint ?? null),
    hash: bytes(receipts, (receipt) => receipt.hash),
  };
  return insertAll({ table: "receipt", columns, count: receipts.length });
}

/**
 * Writes the number of receipts in a statement of its own, so that the usual update of an account
 * costs no more. The account's row has moved by then, so this statement finds it by its key.
 */
function countReceipts(userIds: readonly string[], receipts: ReadonlyMap<string, bigint>): Write {
  const update = sql`
    update points.account set receipts = new.receipts
    from ${rowsOf({
      user_id: texts(userIds, (userId) => userId),
      receipts: bigints(userIds, (userId) => receipts.get(userId)!),
    })} as new
    where account.user_id = new.user_id`;
  return requireRows(update, userIds.length, ACCOUNT_GONE);
}

/** Arrays are sent as texts, because unnest would take an array of arrays apart. */
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
