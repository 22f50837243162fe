import { LockMode } from "@mikro-orm/postgresql";
import type { Account } from "../ledger/account.ts";
import { AccountEntity } from "./entities.ts";
import type { EntityManager } from "./orm.ts";

/**
 * Locks the rows of these users' accounts until the transaction ends, and reads them. It is the
 * only place that takes locks, in one query and in the order of their ids: two batches that want
 * the same accounts wait for each other and never in a circle.
 *
 * @returns the accounts that exist, by user id
 */
export async function lockAccounts(
  em: EntityManager,
  userIds: readonly string[],
): Promise<Map<string, Account>> {
  const rows = await em.find(
    AccountEntity,
    { userId: { $in: [...userIds] } },
    { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { userId: "asc" } },
  );
  return new Map(rows.map((row) => [row.userId, row]));
}
