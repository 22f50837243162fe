import { LockMode, raw, type Transaction as OrmTransaction } from "@mikro-orm/postgresql";
import { sql } from "kysely";
import { textArray } from "../driver/columns.ts";
import { AccountEntity, type AccountRow, propertiesOf } from "../driver/entities.ts";
import type { Orm } from "../driver/orm.ts";
import type { Transaction } from "../driver/transaction.ts";
import { type LockedAccounts, toAccounts } from "./accounts.ts";

/**
 * Pessimistic lock: locks the rows of these users' accounts until the transaction ends, and reads
 * them. No other statement waits for row locks, and this one takes them in the order of user ids:
 * batches that want the same accounts wait for each other and never deadlock.
 *
 * The ORM builds the query, and the ids are bound to it as a parameter. `em.find` would write them
 * into its text, which PostgreSQL would then parse and plan anew each time.
 */
export async function lockAccounts(
  { orm, run }: Transaction,
  userIds: readonly string[],
): Promise<LockedAccounts> {
  let query = queries.get(orm);
  if (query === undefined) queries.set(orm, (query = lockingQuery(orm)));
  const { before, after } = query;
  const { rows } = await run(
    sql<AccountRow & { ctid: string }>`${before}${textArray(userIds)}${after}`,
  );
  return toAccounts(rows);
}

/** Made once a database: the builder takes longer than the rest of a batch of one. */
const queries = new WeakMap<Orm, ReturnType<typeof lockingQuery>>();

/** The text of the query before and after the ids. */
function lockingQuery({ em }: Orm) {
  const fork = em.fork();
  // The builder refuses locks outside of a transaction; the query runs in one.
  fork.setTransactionContext(fork.getKysely() as OrmTransaction);
  const { sql: text } = fork
    .createQueryBuilder(AccountEntity, "account")
    .select([...propertiesOf(AccountEntity), raw("account.ctid")])
    .where("user_id = any(?)", [""])
    .orderBy({ userId: "asc" })
    .setLockMode(LockMode.PESSIMISTIC_WRITE)
    .toQuery();
  const [before = "", after = ""] = text.split("?");
  return { before: sql.raw(before), after: sql.raw(after) };
}
