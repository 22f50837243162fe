import { LockMode, raw, type Transaction as OrmTransaction } from "@mikro-orm/postgresql";
import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import { textArray } from "../driver/columns.ts";
import { AccountEntity } from "../driver/entities.ts";
import type { Orm } from "../driver/orm.ts";
import type { Transaction } from "../driver/transaction.ts";
import { type AccountRow, toAccount } from "./accounts.ts";

/**
 * Locks the rows of these users' accounts until the transaction ends, and reads them. It is the
 * only place that waits for rows' locks, in one query and in the order of their ids: two batches
 * that want the same accounts wait for each other and never in a circle.
 *
 * The ORM builds the query, and its ids are bound: run by `em.find`, they would be part of its
 * text, to be parsed and planned anew each time.
 *
 * @returns the accounts that exist, by user id
 */
export async function lockAccounts(
  { orm, run }: Transaction,
  userIds: readonly string[],
): Promise<Map<string, Account>> {
  query ??= lockingQuery(orm);
  const { before, after } = query;
  const { rows } = await run(sql<AccountRow>`${before}${textArray(userIds)}${after}`);
  return new Map(rows.map((row) => [row.user_id, toAccount(row)]));
}

let query: ReturnType<typeof lockingQuery> | undefined;

/** The text before and after the ids, which is always the same. */
function lockingQuery({ em }: Orm) {
  const fork = em.fork();
  // The builder gives locks only to who is in a transaction, as whoever runs this is.
  fork.setTransactionContext(fork.getKysely() as OrmTransaction);
  const { sql: text } = fork
    .createQueryBuilder(AccountEntity, "account")
    .select(["*", raw("account.ctid")])
    .where("user_id = any(?)", [""])
    .orderBy({ userId: "asc" })
    .setLockMode(LockMode.PESSIMISTIC_WRITE)
    .toQuery();
  const [before = "", after = ""] = text.split("?");
  return { before: sql.raw(before), after: sql.raw(after) };
}
