import { type Account, timeOf } from "../../ledger/account.ts";
import type { Micros } from "../../ledger/time.ts";
import { booleans, rowsOf, texts, times } from "../driver/columns.ts";
import type { LockedAccounts } from "./accounts.ts";

/** An account of which something may be due. */
export type DueAccount = {
  readonly account: Account;
  /** Its own time, by which things are due: later than the database's if that was set back. */
  readonly time: Micros;
  /** Left out where no hold is looked for. */
  readonly hasPolicies?: boolean;
};

/** The accounts whose clock has come. Most batches have none. */
export function dueAccountsOf(
  { accounts, rows }: LockedAccounts,
  now: Micros,
): readonly DueAccount[] {
  const dueAccounts: DueAccount[] = [];
  for (const [userId, { dueTime, policies }] of rows) {
    if (dueTime === null) continue;
    const account = accounts.get(userId)!;
    const time = timeOf(account, now);
    if (dueTime <= time) dueAccounts.push({ account, time, hasPolicies: policies > 0 });
  }
  return dueAccounts;
}

/**
 * The accounts of which lots of the table may be due that wake nobody: lots that allowances gave. Most
 * batches have none.
 */
export function quietAccountsOf(
  { accounts, rows }: LockedAccounts,
  now: Micros,
): readonly DueAccount[] {
  const quiet: DueAccount[] = [];
  for (const [userId, { policies, beyond }] of rows) {
    if (policies === 0 || beyond.count === 0) continue;
    const account = accounts.get(userId)!;
    quiet.push({ account, time: timeOf(account, now) });
  }
  return quiet;
}

/**
 * Rows of `user_id`, `time`, `update_time` and `apart` to select from. The latter says whether the
 * instant of each hold's end matters: which holds repay a debt depends on it, and which quiet periods
 * come before.
 */
export function rowsOfDueAccounts(dueAccounts: readonly DueAccount[]) {
  return rowsOf({
    user_id: texts(dueAccounts, ({ account }) => account.userId),
    time: times(dueAccounts, ({ time }) => time),
    update_time: times(dueAccounts, ({ account }) => account.updateTime),
    apart: booleans(
      dueAccounts,
      ({ account, hasPolicies }) => account.debt > 0n || hasPolicies === true,
    ),
  });
}
