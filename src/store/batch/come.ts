import { type Account, timeOf } from "../../ledger/account.ts";
import type { Micros } from "../../ledger/time.ts";
import { rowsOf, texts, times } from "../driver/columns.ts";
import type { LockedAccounts } from "./accounts.ts";

/** An account whose clock has come: something of it may be due. */
export type Come = {
  readonly account: Account;
  /** Its own time, by which things are due: later than the database's if that was set back. */
  readonly time: Micros;
};

/** The accounts whose clock has come. Most batches have none. */
export function accountsCome({ accounts, rows }: LockedAccounts, now: Micros): readonly Come[] {
  const come: Come[] = [];
  for (const [userId, { dueTime }] of rows) {
    if (dueTime === null) continue;
    const account = accounts.get(userId)!;
    const time = timeOf(account, now);
    if (dueTime <= time) come.push({ account, time });
  }
  return come;
}

/** Rows of `user_id`, `time` and `update_time` to select from. */
export function rowsOfCome(come: readonly Come[]) {
  return rowsOf({
    user_id: texts(come, ({ account }) => account.userId),
    time: times(come, ({ time }) => time),
    update_time: times(come, ({ account }) => account.updateTime),
  });
}
