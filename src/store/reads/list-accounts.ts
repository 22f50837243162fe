import type { Account } from "../../ledger/account.ts";
import type { Micros } from "../../ledger/time.ts";
import type { Run } from "../driver/transaction.ts";
import { bookedAt } from "./read.ts";
import { findUserPage, PAGE_MAX_ROWS, type UserPage } from "./user-page.ts";

/**
 * A page of accounts. Their figures count everything due by an instant as booked; nothing is written.
 *
 * @param run of a snapshot
 * @param now when the snapshot is of
 * @param maxRows the most lots and holds of a page
 * @returns the accounts, and the next page's cursor, undefined at the end. Before the end a page may be
 * shorter than `limit`
 */
export async function listAccounts(
  run: Run,
  page: UserPage,
  now: Micros,
  maxRows = PAGE_MAX_ROWS,
): Promise<{ accounts: readonly Account[]; next: string | undefined }> {
  const { found, next } = await findUserPage(run, page, maxRows);
  const read = await bookedAt(run, found, { now });
  return { accounts: read.map(({ account }) => account), next };
}
