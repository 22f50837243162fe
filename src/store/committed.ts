import { sql } from "kysely";
import type { Account } from "../ledger/account.ts";
import type { Changes } from "../ledger/batch.ts";
import type { Run } from "./transaction.ts";

/**
 * Whether a transaction whose COMMIT was not answered has saved its changes, told by the journal
 * itself: an entry's hash covers all that it says and all entries before it. To be asked with the
 * accounts locked, for then that transaction has ended. (PostgreSQL's own answer, pg_xact_status,
 * goes by a number that a standby, once promoted, may give to another transaction.)
 *
 * A batch that wrote receipts alone counts as lost: applied again, it finds them.
 *
 * @param accounts locked, by user id
 */
export async function isCommitted(
  run: Run,
  accounts: ReadonlyMap<string, Account>,
  { entries, newAccounts }: Changes,
): Promise<boolean> {
  const [entry] = entries;
  if (entry !== undefined) {
    const { userId, sequence, hash } = entry;
    const { rows } = await run(
      sql`select from points.entry
        where user_id = ${userId} and sequence = ${String(sequence)} and hash = ${hash}`,
    );
    return rows.length === 1;
  }
  const [made] = newAccounts;
  return made !== undefined && accounts.get(made.userId)?.createTime === made.createTime;
}
