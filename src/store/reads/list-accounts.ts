import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import type { Micros } from "../../ledger/time.ts";
import { toAccounts } from "../batch/accounts.ts";
import type { AccountRow } from "../driver/entities.ts";
import type { Run } from "../driver/transaction.ts";
import { goByIndex } from "./go-by-index.ts";
import { beginsWith } from "./id-range.ts";
import { bookedAt } from "./read.ts";

/** A page of users, in the order of their ids' bytes. */
export type UserPage = {
  readonly userIdPrefix: string;
  /** The keyset cursor: users behind this id; undefined: from the first. */
  readonly after: string | undefined;
  readonly limit: number;
};

// What is due of an account may be all of its lots and holds, and these are read: a page ends after so
// many.
const PAGE_MAX_ROWS = 16_384;

/**
 * A page of accounts. Their figures count everything due by an instant as booked; nothing is written.
 *
 * @param run of a snapshot
 * @param now when the snapshot is of
 * @returns the accounts, and the next page's cursor, undefined at the end. Before the end a page may be
 * shorter than `limit`: see PAGE_MAX_ROWS
 */
export async function listAccounts(
  run: Run,
  { userIdPrefix, after = "", limit }: UserPage,
  now: Micros,
): Promise<{ accounts: readonly Account[]; next: string | undefined }> {
  await goByIndex(run);
  const { rows } = await run(sql<AccountRow & { ctid: string }>`
    select *, ctid from account
    where ${beginsWith("user_id", userIdPrefix)} and user_id > ${after}::text
    order by user_id limit ${limit}`);
  const page = affordable(rows, (row) => row.lots_beyond + row.open_holds);
  const read = await bookedAt(run, toAccounts(page), { now });
  const mayHaveMore = rows.length === limit || page.length < rows.length;
  const next = mayHaveMore ? page.at(-1)?.user_id : undefined;
  return { accounts: read.map(({ account }) => account), next };
}

/** As many from the start as have PAGE_MAX_ROWS rows together, and one in any case. */
export function affordable<T>(accounts: readonly T[], rowsOf: (one: T) => number): readonly T[] {
  let sum = 0;
  const firstTooMany = accounts.findIndex((account, index) => {
    sum += rowsOf(account);
    return sum > PAGE_MAX_ROWS && index > 0;
  });
  return firstTooMany === -1 ? accounts : accounts.slice(0, firstTooMany);
}
