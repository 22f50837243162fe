import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import type { ChangedAccount, Changes } from "../../ledger/batch.ts";
import { isOpenHold } from "../../ledger/hold.ts";
import {
  bigints,
  booleans,
  bytes,
  type Columns,
  onlyIf,
  rowsOf,
  texts,
  tids,
  times,
} from "../driver/columns.ts";
import { type FeedClock, feedNumber } from "./feed.ts";
import { packAllocations } from "./packed-allocations.ts";
import { packLots } from "./packed-lots.ts";
import { savingPolicies } from "./policies.ts";
import type { AccountPlace, Rows } from "./rows.ts";
import { type Feeds, insertEntries } from "./save-entries.ts";
import { placeAll, type Places, savingLots } from "./save-lots.ts";
import { insertAll, requireRows, type Write } from "./write.ts";

/** Where the accounts and lots were found, and what numbers the entries. */
export type SaveContext = FeedClock & { readonly rows: Rows };

/**
 * The statements that write a batch's changes: at most thirteen, whatever its size, since each column
 * goes as one array. The ORM's flush costs three times as much a command.
 *
 * A batch of charges needs two: one updates accounts, whose rows hold the lots that burn first, and
 * one inserts entries. Each fails if not every row was written, because of a foreign trigger or rule,
 * and with SQLSTATE 23505 if another server has just made one of the new accounts: the next attempt
 * of the batch finds it.
 */
export function saving(changes: Changes, { rows, ...clock }: SaveContext): readonly Write[] {
  const { newAccounts, accounts, dueTimes, holds, entries, undone, receipts } = changes;
  const counts = new Map(receipts.map(({ userId, number }) => [userId, number]));
  const counted = [...counts.keys()].filter((userId) => rows.accounts.has(userId));
  const kept = { places: placeAll(changes, rows), feeds: feedsOf(changes, clock, rows), rows };
  return [
    newAccounts.length > 0 && insertAccounts(newAccounts, { ...kept, receipts: counts }),
    accounts.length > 0 && updateAccounts(accounts, kept),
    dueTimes.length > 0 && updateDueTimes(dueTimes),
    ...savingLots(kept.places, rows),
    holds.length > 0 && upsertHolds(holds),
    entries.length > 0 && insertEntries(entries, kept.feeds),
    undone.length > 0 && upsertUndone(undone),
    ...savingPolicies(changes.policies),
    receipts.length > 0 && insertReceipts(receipts),
    counted.length > 0 && countReceipts(counted, counts),
  ].filter((write) => write !== false);
}

/** What an account's row has of what is not the account, and the rows as they were found. */
type Kept = { readonly places: Places; readonly feeds: Feeds; readonly rows: Rows };

function feedsOf({ newAccounts, accounts }: Changes, clock: FeedClock, rows: Rows): Feeds {
  const { epoch } = clock;
  return new Map(
    [...newAccounts, ...accounts].map(({ userId }) => [
      userId,
      { epoch, feed: feedNumber(clock, rows.accounts.get(userId)?.feed) },
    ]),
  );
}

function insertAccounts(
  accounts: Changes["accounts"],
  { receipts, ...kept }: Kept & { receipts: ReadonlyMap<string, bigint> },
): Write {
  const columns = {
    ...accountColumns(accounts, kept),
    salt: bytes(accounts, (account) => account.salt),
    receipts: bigints(accounts, ({ userId }) => receipts.get(userId) ?? 0n),
    create_time: times(accounts, (account) => account.createTime),
  };
  return insertAll({ table: "account", columns, count: accounts.length });
}

const ACCOUNT_GONE = "a locked account is gone";

// The updates find rows by ctid, which saves a search of an index a row. They compare the keys all
// the same, so that a mistake never writes to another row.

function updateAccounts(accounts: Changes["accounts"], kept: Kept): Write {
  const row = tids(accounts, ({ userId }) => kept.rows.accounts.get(userId)?.ctid);
  const columns = accountColumns(accounts, kept);
  const set = Object.keys(columns)
    .filter((column) => column !== "user_id")
    .map((column) => `${column} = new.${column}`);
  const update = sql`
    update account set ${sql.raw(set.join(", "))}
    from ${rowsOf({ row, ...columns })} as new
    where account.ctid = new.row and account.user_id = new.user_id`;
  return requireRows(update, accounts.length, ACCOUNT_GONE);
}

function updateDueTimes(accounts: Changes["dueTimes"]): Write {
  const update = sql`
    update account set due_time = new.due_time
    from ${rowsOf({
      user_id: texts(accounts, ({ userId }) => userId),
      due_time: times(accounts, ({ dueTime }) => dueTime),
    })} as new
    where account.user_id = new.user_id`;
  return requireRows(update, accounts.length, ACCOUNT_GONE);
}

function accountColumns(accounts: Changes["accounts"], { places, feeds, rows }: Kept): Columns {
  const beyond = ({ userId }: Account) => places.get(userId)!.beyond;
  return {
    user_id: texts(accounts, (account) => account.userId),
    sequence: bigints(accounts, (account) => account.sequence),
    balance: bigints(accounts, (account) => account.balance),
    frozen: bigints(accounts, (account) => account.frozen),
    total_recharged: bigints(accounts, (account) => account.totalRecharged),
    total_consumed: bigints(accounts, (account) => account.totalConsumed),
    total_expired: bigints(accounts, (account) => account.totalExpired),
    total_refunded: bigints(accounts, (account) => account.totalRefunded),
    hash: bytes(accounts, (account) => account.hash),
    update_time: times(accounts, (account) => account.updateTime),
    due_time: times(accounts, (account) => account.dueTime),
    open_holds: bigints(accounts, (account) => BigInt(account.openHolds)),
    lots: bytes(accounts, ({ userId }) => packLots(places.get(userId)!.row)),
    lots_beyond: bigints(accounts, (account) => BigInt(beyond(account).count)),
    beyond_remaining: bigints(accounts, (account) => beyond(account).remaining),
    beyond_frozen: bigints(accounts, (account) => beyond(account).frozen),
    feed: bigints(accounts, ({ userId }) => feeds.get(userId)!.feed),
    feed_epoch: bigints(accounts, ({ userId }) => feeds.get(userId)!.epoch),
    ...onlyIf(
      accounts.some(({ userId }) => hasScoped(userId, places, rows)),
      () => ({ beyond_scoped: bigints(accounts, (account) => beyond(account).scoped) }),
    ),
    ...onlyIf(
      accounts.some((account) => hasDebts(account, rows.accounts.get(account.userId))),
      () => ({
        debt: bigints(accounts, (account) => account.debt),
        repaid_until: times(accounts, (account) => account.repaidUntil),
      }),
    ),
    ...onlyIf(
      accounts.some((account) => hasRevocations(account, rows.accounts.get(account.userId))),
      () => ({
        total_revoked: bigints(accounts, (account) => account.totalRevoked),
        open_claims: bigints(accounts, (account) => BigInt(account.openClaims)),
        claims_sequence: bigints(accounts, (account) => account.sequence),
      }),
    ),
    ...onlyIf(
      accounts.some((account) => hasPolicies(account, rows.accounts.get(account.userId))),
      () => ({
        policies: bigints(accounts, (account) => BigInt(account.policies)),
        policies_sequence: bigints(accounts, (account) => account.sequence),
      }),
    ),
  };
}

/** Whether the account has a debt, had one, or repaid one. */
function hasDebts({ debt, repaidUntil }: ChangedAccount, place: AccountPlace | undefined): boolean {
  return debt > 0n || repaidUntil !== null || place?.owes === true;
}

/** Whether points of the account were revoked, or are claimed, or were. */
function hasRevocations(account: ChangedAccount, place: AccountPlace | undefined): boolean {
  return account.totalRevoked > 0n || account.openClaims > 0 || (place?.openClaims ?? 0) > 0;
}

/** Whether the account has policies, or had some. */
function hasPolicies({ policies }: ChangedAccount, place: AccountPlace | undefined): boolean {
  return policies > 0 || (place?.policies ?? 0) > 0;
}

/** Whether the table has lots of an account that only some services may take, or had some. */
function hasScoped(userId: string, places: Places, rows: Rows): boolean {
  const before = rows.accounts.get(userId)?.beyond.scoped ?? 0n;
  return before > 0n || places.get(userId)!.beyond.scoped > 0n;
}

function upsertHolds(holds: Changes["holds"]): Write {
  const columns = {
    user_id: texts(holds, (hold) => hold.userId),
    number: bigints(holds, (hold) => hold.number),
    points: bigints(holds, (hold) => hold.points),
    settled: bigints(holds, (hold) => hold.settled),
    status: texts(holds, (hold) => hold.status),
    service: texts(holds, (hold) => hold.service),
    expire_time: times(holds, (hold) => hold.expireTime),
    allocations: bytes(holds, (hold) => packAllocations(hold.allocations)),
    in_parts: booleans(holds, (hold) => isOpenHold(hold) && hold.settled > 0n),
    ...onlyIf(
      holds.some(({ member }) => member !== ""),
      () => ({ member: texts(holds, ({ member }) => member || null) }),
    ),
  };
  return insertAll({ table: "hold", columns, count: holds.length, onConflict: CHANGE_HOLD });
}

const CHANGE_HOLD = ` on conflict (user_id, number)
  do update set points = excluded.points, settled = excluded.settled, status = excluded.status,
    expire_time = excluded.expire_time, allocations = excluded.allocations,
    in_parts = excluded.in_parts`;

function upsertUndone(undone: Changes["undone"]): Write {
  const columns = {
    user_id: texts(undone, ({ userId }) => userId),
    sequence: bigints(undone, ({ sequence }) => sequence),
    refunded: bigints(undone, ({ refunded }) => refunded),
    revoked: bigints(undone, ({ revoked }) => revoked),
    claimed: bigints(undone, ({ claimed }) => claimed),
  };
  return insertAll({ table: "undone", columns, count: undone.length, onConflict: UNDO_MORE });
}

const UNDO_MORE = ` on conflict (user_id, sequence)
  do update set refunded = excluded.refunded, revoked = excluded.revoked, claimed = excluded.claimed`;

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
    update account set receipts = new.receipts
    from ${rowsOf({
      user_id: texts(userIds, (userId) => userId),
      receipts: bigints(userIds, (userId) => receipts.get(userId)!),
    })} as new
    where account.user_id = new.user_id`;
  return requireRows(update, userIds.length, ACCOUNT_GONE);
}
