import type { PolicyState } from "../../ledger/policy.ts";
import type { Micros } from "../../ledger/time.ts";
import { databaseNow } from "../driver/clock.ts";
import type { Orm } from "../driver/orm.ts";
import { inSnapshot } from "../driver/transaction.ts";
import { bookedAt, findAccounts } from "./read.ts";

/**
 * A user's policies now, by name, the ended ones too, and the account's time; undefined if there is no
 * account.
 */
export async function readPolicies(
  orm: Orm,
  userId: string,
): Promise<{ readonly policies: readonly PolicyState[]; readonly time: Micros } | undefined> {
  return inSnapshot(orm, async (run) => {
    const found = await findAccounts(run, [userId]);
    const [read] = await bookedAt(run, found, { now: await databaseNow(run), apart: true });
    return read && { policies: read.booked.policies, time: read.time };
  });
}
