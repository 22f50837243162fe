import { sql } from "kysely";
import { type LockedAccounts, toAccounts } from "../batch/accounts.ts";
import type { AccountRow } from "../driver/entities.ts";
import type { Run } from "../driver/transaction.ts";
import { goByIndex } from "./go-by-index.ts";
import { beginsWith } from "./id-range.ts";

/** A page of users, in the order of their ids' bytes. */
export type UserPage = {
  readonly userIdPrefix: string;
  /** The keyset cursor: users behind this id; undefined: from the first. */
  readonly after: string | undefined;
  readonly limit: number;
};

/**
 * What is due of an account may be all of its lots and holds, and these are read: a page of a list has
 * so many at most.
 */
export const PAGE_MAX_ROWS = 16_384;

/**
 * Finds a page of accounts.
 *
 * @param run of a snapshot
 * @param maxRows as of `affordable`
 * @returns their rows, and the next page's cursor, undefined at the end. Before the end a page may be
 * shorter than `limit`, but is not empty
 */
export async function findUserPage(
  run: Run,
  { userIdPrefix, after = "", limit }: UserPage,
  maxRows: number,
): Promise<{ found: LockedAccounts; next: string | undefined }> {
  await goByIndex(run);
  const { rows } = await run(sql<AccountRow & { ctid: string }>`
    select *, ctid from account
    where ${beginsWith("user_id", userIdPrefix)} and user_id > ${after}::text
    order by user_id limit ${limit}`);
  const page = affordable(rows, (row) => row.lots_beyond + row.open_holds, maxRows);
  const mayHaveMore = rows.length === limit || page.length < rows.length;
  return { found: toAccounts(page), next: mayHaveMore ? page.at(-1)?.user_id : undefined };
}

/** As many from the start as have `maxRows` lots and holds together, and one in any case. */
export function affordable<T>(
  accounts: readonly T[],
  rowsOf: (one: T) => number,
  maxRows: number,
): readonly T[] {
  let sum = 0;
  const firstTooMany = accounts.findIndex((account, index) => {
    sum += rowsOf(account);
    return sum > maxRows && index > 0;
  });
  return firstTooMany === -1 ? accounts : accounts.slice(0, firstTooMany);
}
