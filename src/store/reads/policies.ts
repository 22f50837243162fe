import type { PolicyState } from "../../ledger/policy.ts";
import { databaseNow } from "../driver/clock.ts";
import type { Orm } from "../driver/orm.ts";
import { inSnapshot } from "../driver/transaction.ts";
import { bookedAt, findAccounts } from "./read.ts";

/** A user's policies now, by name, the ended ones too; undefined if there is no account. */
export async function readPolicies(
  orm: Orm,
  userId: string,
): Promise<readonly PolicyState[] | undefined> {
  return inSnapshot(orm, async (run) => {
    const found = await findAccounts(run, [userId]);
    const [read] = await bookedAt(run, found, { now: await databaseNow(run) });
    return read?.booked.policies;
  });
}
