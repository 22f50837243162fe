import { LockMode } from "@mikro-orm/postgresql";
import { sql } from "kysely";
import type { Account } from "../ledger/account.ts";
import { type AccountRow, toAccount } from "./accounts.ts";
import { texts } from "./columns.ts";
import { AccountEntity } from "./entities.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Locks the rows of these users' accounts until the transaction ends, and reads them. It is the
 * only place that takes locks, in one query and in the order of their ids: two batches that want
 * the same accounts wait for each other and never in a circle.
 *
 * The ORM builds the query, and its ids are bound: run by `em.find`, they would be part of its
 * text, to be parsed and planned anew each time.
 *
 * @returns the accounts that exist, by user id
 */
export async function lockAccounts(
  { em, run }: Transaction,
  userIds: readonly string[],
): Promise<Map<string, Account>> {
  const query = em
    .createQueryBuilder(AccountEntity, "account")
    .where("user_id = any(?)", [userIds])
    .orderBy({ userId: "asc" })
    .setLockMode(LockMode.PESSIMISTIC_WRITE)
    .toQuery();
  const [before = "", after = ""] = query.sql.split("?");
  const { rows } = await run(
    sql<AccountRow>`${sql.raw(before)}${texts(userIds, (id) => id)}${sql.raw(after)}`,
  );
  return new Map(rows.map((row) => [row.user_id, toAccount(row)]));
}
