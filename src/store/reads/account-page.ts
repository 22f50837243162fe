import type { Account } from "../../ledger/account.ts";
import type { Micros } from "../../ledger/time.ts";
import type { Run } from "../driver/transaction.ts";
import { bookedAt, type Expiring, loadOtherLots } from "./read.ts";
import type { Reading } from "./reading.ts";
import { findUserPage } from "./user-page.ts";

/** The next accounts of a scan. */
export type AccountPage = {
  /** In the order of their ids' bytes, each as GetAccount shows it; none: the scan is over. */
  readonly accounts: readonly Account[];
  /** What their balances are made of, in no order. */
  readonly expiring: readonly Expiring[];
};

export type PageOptions = {
  /** By default 100. */
  readonly maxAccounts?: number;
  /** The most lots and holds of a page, unless one account has more: by default 5,000. */
  readonly maxRows?: number;
};

// They take 2 ms of the server's thread, and 7 if of each an allowance is due.
const MAX_ACCOUNTS = 100;
const MAX_ROWS = 5_000;

/**
 * Runs a read in a snapshot of its own. One that lags may be older than the one before; what a read
 * throws there does not come out of it: it then runs again on the primary.
 */
export type ReadSnapshot = <T>(
  work: (snapshot: Pick<Reading, "run" | "asOf" | "lags">) => Promise<T>,
) => Promise<T>;

/**
 * Reads the accounts whose ids come after one, and when their points expire.
 *
 * @param asOf when
 * @param after the last user id of the page before; empty: none
 */
export async function readAccountPage(
  run: Run,
  { asOf: now, after }: { readonly asOf: Micros; readonly after: string },
  { maxAccounts = MAX_ACCOUNTS, maxRows = MAX_ROWS }: PageOptions = {},
): Promise<AccountPage> {
  const page = { userIdPrefix: "", after, limit: maxAccounts };
  const { found } = await findUserPage(run, page, maxRows);
  const read = await bookedAt(run, found, { now });
  const others = await loadOtherLots(run, found, read, undefined);
  const expiring = [...read.map(({ booked }) => booked.lots), ...others.values()].flat();
  return { accounts: read.map(({ account }) => account), expiring };
}
