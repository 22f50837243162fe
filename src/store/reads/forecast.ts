import { laterOf, timeOf } from "../../ledger/account.ts";
import type { AccountState } from "../../ledger/state.ts";
import type { Micros } from "../../ledger/time.ts";
import { loadStatesToRead } from "../batch/load.ts";
import { databaseNow } from "../driver/clock.ts";
import type { Orm } from "../driver/orm.ts";
import { inSnapshot } from "../driver/transaction.ts";
import { findAccounts } from "./read.ts";

/**
 * A user's account with everything that falls due up to an instant, and the account's time; undefined
 * if there is no account.
 */
export async function readUntil(
  orm: Orm,
  userId: string,
  until: Micros,
): Promise<{ readonly now: Micros; readonly state: AccountState } | undefined> {
  return inSnapshot(orm, async (run) => {
    const found = await findAccounts(run, [userId]);
    const now = timeOf(found.accounts.get(userId), await databaseNow(run));
    const [state] = await loadStatesToRead(run, found, { now: laterOf(now, until), apart: true });
    return state && { now, state };
  });
}
