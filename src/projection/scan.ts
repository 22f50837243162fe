import { setTimeout as sleep } from "node:timers/promises";
import type { Micros } from "../ledger/time.ts";
import {
  type AccountPage,
  type PageOptions,
  readAccountPage,
  type ReadSnapshot,
} from "../store/reads/account-page.ts";
import { type HeldSums, type Overview, WEEK, WEEKS } from "../store/reads/overview-text.ts";
import { requireSince } from "../store/reads/lagging.ts";
import { keepLargest } from "./largest.ts";

export type ScanOptions = PageOptions & {
  /** Is called after each page; false: the scan is given up. */
  readonly goesOn: () => Promise<boolean>;
  /** Ends the pause after a page, and gives the scan up. */
  readonly signal: AbortSignal;
  /** How many times as long as a page took is paused after it: by default 9. */
  readonly pauses?: number;
};

const LARGEST_MAX = 1_000;

// Pausing nine times as long as a page takes, a scan has a tenth of a core: some ten million accounts an
// hour, or three if of each an allowance is due. Where there are more, it takes longer than an hour.
const PAUSES = 9;
/** However long a page took: the lease of the scan must not end meanwhile. */
const PAUSE_MAX_MS = 10_000;

/**
 * Sums up what all accounts have. They are read in pages by user id, each at its own time, so that no
 * transaction is open for long, and none from before the scan; and each once, as GetAccount shows it.
 * One that is made behind the page under way is left out; one that is erased meanwhile, which gives it
 * a later name, may count under both.
 *
 * @returns undefined if it was given up
 * @throws errors of the database
 */
export async function scan(
  read: ReadSnapshot,
  { goesOn, signal, pauses = PAUSES, ...options }: ScanOptions,
): Promise<Overview | undefined> {
  const asOf = await read(async (snapshot) => snapshot.asOf);
  const readSince: ReadSnapshot = (work) =>
    read((snapshot) => {
      requireSince(snapshot, asOf);
      return work(snapshot);
    });
  const largest = keepLargest(LARGEST_MAX);
  let sums = NOTHING;
  for (let after = ""; ;) {
    const beganMs = performance.now();
    const page = await readSince((snapshot) =>
      readAccountPage(snapshot.run, { asOf: snapshot.asOf, after }, options),
    );
    const last = page.accounts.at(-1);
    if (last === undefined) break;
    after = last.userId;
    sums = added(sums, page, asOf);
    for (const account of page.accounts) largest.add(account);
    const pauseMs = Math.min(pauses * (performance.now() - beganMs), PAUSE_MAX_MS);
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
    if (signal.aborted || !(await goesOn())) return undefined;
  }
  const endTime = await readSince(async (snapshot) => snapshot.asOf);
  return { asOf, endTime, sums, largest: largest.list() };
}

const NOTHING: HeldSums = {
  accounts: 0n,
  balance: 0n,
  frozen: 0n,
  debt: 0n,
  expiring: Array.from({ length: WEEKS }, () => 0n),
  expiringLater: 0n,
  neverExpiring: 0n,
};

function added(sums: HeldSums, { accounts, expiring: lots }: AccountPage, asOf: Micros): HeldSums {
  let { balance, frozen, debt, expiringLater, neverExpiring } = sums;
  const expiring = [...sums.expiring];
  for (const account of accounts) {
    balance += account.balance;
    frozen += account.frozen;
    debt += account.debt;
  }
  for (const { expireTime, remaining } of lots) {
    if (expireTime === null) neverExpiring += remaining;
    else {
      const week = weekOf(expireTime, asOf);
      if (week < WEEKS) expiring[week]! += remaining;
      else expiringLater += remaining;
    }
  }
  const count = sums.accounts + BigInt(accounts.length);
  return { accounts: count, balance, frozen, debt, expiring, expiringLater, neverExpiring };
}

/** In which week after an instant something expires. If the clock was set back meanwhile, the first. */
function weekOf(expireTime: Micros, asOf: Micros): number {
  return expireTime < asOf ? 0 : Number((expireTime - asOf) / WEEK);
}
