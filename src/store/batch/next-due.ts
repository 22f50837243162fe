import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { type DueAccount, rowsOfDueAccounts } from "./due-accounts.ts";
import { IS_QUIET } from "./lots.ts";

const WAKES = { sweep: sql`and not ${IS_QUIET}`, watch: sql`` };

/**
 * The next instant after an account's time at which a lot of the table or a hold falls due, by user
 * id; missing: never. The lots in the accounts' rows are left out, which every state has.
 *
 * @param mode who watches sees the expiry of quiet lots too
 */
export async function loadNextDue(
  run: Run,
  accounts: readonly DueAccount[],
  mode: "sweep" | "watch" = "sweep",
): Promise<Map<string, Micros>> {
  if (accounts.length === 0) return new Map();
  const { rows } = await run(sql<{ user_id: string; next_due: string | null }>`
    select user_id, least(
      (select min(expire_time) from lot
        where lot.user_id = asked.user_id and expire_time > asked.time ${WAKES[mode]}),
      (select min(expire_time) from hold
        where hold.user_id = asked.user_id and status = 'open' and expire_time > asked.time)
    ) as next_due
    from ${rowsOfDueAccounts(accounts)} as asked`);
  return new Map(
    rows.flatMap(({ user_id, next_due }) =>
      next_due === null ? [] : [[user_id, fromTimestamptz(next_due)]],
    ),
  );
}
