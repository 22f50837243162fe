import type { Logger } from "pino";
import { repeat, type Repeated } from "../commit/repeat.ts";
import type { Orm } from "../store/driver/orm.ts";
import {
  endLease,
  leaseScan,
  renewLease,
  saveOverview,
  type ScanLease,
} from "../store/projection/overview.ts";
import type { ReadSnapshot } from "../store/reads/account-page.ts";
import type { Overview } from "../store/reads/overview-text.ts";
import { scan, type ScanOptions } from "./scan.ts";

export type OverviewOptions = {
  /** The ledger's database. */
  readonly orm: Orm;
  /** Reads the accounts: of a standby, where there is one. */
  readonly read: ReadSnapshot;
  readonly log: Logger;
  /** How often it looks whether a scan is due: by default each minute. */
  readonly lookSeconds?: number;
  readonly scanning?: Omit<ScanOptions, "goesOn" | "signal">;
};

const LOOK_SECONDS = 60;
const RENEW_MS = 30_000;

/**
 * Scans all accounts each hour, if no other server does, until `stop` is called, which waits for the
 * page under way.
 */
export function startOverview(options: OverviewOptions): Repeated {
  const { log, lookSeconds = LOOK_SECONDS } = options;
  return repeat(async (signal) => {
    try {
      const found = await scanIfDue(options, signal);
      if (found !== undefined && found.sums.accounts > 0n)
        log.info(about(found), "summed up all accounts");
    } catch (err) {
      log.warn({ err }, "a scan of all accounts failed; another follows");
    }
    return lookSeconds * 1000;
  });
}

/**
 * Scans and saves, if a scan is due and nobody is at it.
 *
 * @returns undefined if it was not to be, or was given up
 */
export async function scanIfDue(
  { orm, read, scanning }: Omit<OverviewOptions, "log">,
  signal: AbortSignal,
): Promise<Overview | undefined> {
  let lease = await leaseScan(orm);
  if (lease === undefined) return undefined;
  let renewedMs = performance.now();
  const goesOn = async () => {
    if (performance.now() - renewedMs < RENEW_MS) return true;
    renewedMs = performance.now();
    lease = lease && (await renewLease(orm, lease));
    return lease !== undefined;
  };
  let isSaved = false;
  try {
    const found = await scan(read, { ...scanning, goesOn, signal });
    if (found === undefined) return undefined;
    isSaved = lease !== undefined && (await saveOverview(orm, lease, found));
    return isSaved ? found : undefined;
  } finally {
    if (!isSaved && lease !== undefined) await release(orm, lease);
  }
}

function about({ asOf, endTime, sums }: Overview) {
  return { accounts: String(sums.accounts), seconds: Number(endTime - asOf) / 1e6 };
}

/** If that fails, the lease ends by itself. */
async function release(orm: Orm, lease: ScanLease): Promise<void> {
  await endLease(orm, lease).catch(() => {});
}
