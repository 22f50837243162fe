import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import { UserError } from "../errors/user-error.ts";
import type { Command } from "../ledger/command.ts";
import { SALT_BYTES } from "../ledger/digests.ts";
import { bookDue } from "../ledger/due.ts";
import { erase as eraseAccount, erasedName, type NewIdentity } from "../ledger/erase.ts";
import { timeOf } from "../ledger/account.ts";
import { livingAt } from "../ledger/allowance.ts";
import { changedPolicies } from "../ledger/changed-policies.ts";
import { feedNumber } from "../store/batch/feed.ts";
import { loadStates } from "../store/batch/load.ts";
import { lockAccounts } from "../store/batch/lock.ts";
import { savingPolicies } from "../store/batch/policies.ts";
import { insertEntries } from "../store/batch/save-entries.ts";
import { batchMoment } from "../store/driver/clock.ts";
import type { Orm } from "../store/driver/orm.ts";
import { inTransaction, RolledBack, type Transaction } from "../store/driver/transaction.ts";
import { newMembers } from "../store/erasure/members.ts";
import { forgetInOverview } from "../store/erasure/overview.ts";
import { eraseEntries, eraseReceipts } from "../store/erasure/personal.ts";
import { renameSums } from "../store/erasure/projected.ts";
import { renameAccount, renameRows } from "../store/erasure/rename.ts";
import { takeProjectionLock } from "../store/projection/lock.ts";
import { type Clock, commit } from "./commit.ts";

/** What became of an account that was erased. */
export type Erased = {
  /** Its new name. */
  readonly userId: string;
  /** How many entries and receipts were erased. */
  readonly entries: number;
  readonly receipts: number;
};

export type EraseOptions = {
  /** What the old name begins with, and the new one is to; empty: it has nothing of the old. */
  readonly prefix?: string | undefined;
  /** By default it is the database's. */
  readonly clock?: Clock;
};

/**
 * Erases what is personal of an account, in one transaction: ids of requests, metadata, actors and the
 * account's salt go, and the account and its members get other names, made at random. What counts
 * stays, with the hashes of all entries and the digests of what was personal. The last entry is of
 * kind ERASE, so that the stream of entries tells it.
 *
 * It needs rights that no server has: to change entries.
 *
 * @throws {UserError} if there is no such account, its name does not begin with the prefix, or if it
 *   is not known whether it was erased
 */
export async function erase(
  orm: Orm,
  userId: string,
  { prefix = "", clock = batchMoment }: EraseOptions = {},
): Promise<Erased> {
  if (!userId.startsWith(prefix) || userId === prefix) {
    throw new UserError(`${userId} does not begin with ${prefix}, or is not longer`);
  }
  const to = {
    userId: erasedName(userId, prefix, () => randomBytes(NAME_BYTES).toString("base64url")),
    salt: randomBytes(SALT_BYTES),
  };
  if (to.userId.length > ID_MAX) {
    throw new UserError(`the new name would be longer than ${ID_MAX} characters`);
  }
  for (;;) {
    const erased = await inTransaction(orm, (transaction) =>
      eraseIn(transaction, userId, { to, clock }),
    );
    if (erased !== SOMETHING_IS_DUE) return erased;
    const [failed] = await commit(orm, [dueOf(userId)], { clock });
    if (failed instanceof Error) throw failed;
  }
}

const NAME_BYTES = 12;
/** The most characters of a user id. */
const ID_MAX = 128;

const SOMETHING_IS_DUE = Symbol("something is due, and is booked before");

async function eraseIn(
  transaction: Transaction,
  userId: string,
  { to, clock }: { readonly to: NewIdentity; readonly clock: Clock },
): Promise<Erased | typeof SOMETHING_IS_DUE> {
  const { run, epoch, commit: end } = transaction;
  // It waits for all that was asked of the account before, however long that takes.
  await run(sql`set local lock_timeout = 0`);

  // Lock, read the clock, load, as a batch does.
  const locked = lockAccounts(transaction, [userId]);
  const moment = clock(run);
  const loading = loadStates(run, { commands: [dueOf(userId)], locked, moment });
  const [{ now, transactionId }, { states, rows }] = await Promise.all([moment, loading]);
  const [state] = states;
  if (state === undefined) throw new UserError(`there is no account ${userId}`);
  const { account: from } = state;
  const time = timeOf(from, now);
  // Readers of the stream know the account by its last entry: what is due comes under the old name.
  const due = bookDue(state, time);
  if (due.entries.length > 0 || !due.isAll) return SOMETHING_IS_DUE;

  // As before every entry, no allowance has a next period that nobody lived to see.
  const policies = livingAt(due.state.policies, from, time);
  const moved = changedPolicies([{ ...due.state, policies }], new Map([[userId, state]]));
  for (const write of savingPolicies(moved)) await run(write);

  // Erase. No step of the projector may have read what is being erased; it waits for no account.
  await takeProjectionLock(run);
  const erasure = { from, to, members: newMembers() };
  const entries = await eraseEntries(run, erasure);
  const receipts = await eraseReceipts(run, erasure);
  await renameRows(run, erasure);
  await renameSums(run, erasure);

  // Say so.
  const { entry, account } = eraseAccount(from, to, time);
  const last = rows.accounts.get(userId)!.feed;
  const place = { epoch, feed: feedNumber({ epoch, transactionId }, last) };
  await run(insertEntries([entry], new Map([[to.userId, place]])));
  await renameAccount(run, erasure, { ...account, place });
  await forgetInOverview(run, userId);
  await end().catch((error: unknown) => {
    if (error instanceof RolledBack) throw error;
    throw new UserError(
      `whether ${userId} was erased is not known: ${String(error)}. If there is no account of ` +
        `this name any more, it was, and is ${to.userId} now`,
    );
  });
  return { userId: to.userId, entries, receipts };
}

/** Asks for what is due to be booked, and for no more. */
function dueOf(userId: string): Command {
  const target = { kind: "due" } as const;
  const unnamed = { request: undefined, metadata: new Map(), caller: "", actor: "" };
  return { kind: "expire", userId, ...unnamed, target };
}
