import { scan, type ScanOptions } from "../../src/projection/scan.ts";
import { databaseNow } from "../../src/store/driver/clock.ts";
import type { Orm } from "../../src/store/driver/orm.ts";
import { inSnapshot, type Run } from "../../src/store/driver/transaction.ts";
import type { ReadSnapshot } from "../../src/store/reads/account-page.ts";
import type { Overview } from "../../src/store/reads/overview-text.ts";

const MAX_PAGES = 100;

/** Scans all accounts as of an instant, in microseconds since 1970, without pauses. */
export async function scanAt(
  orm: Orm,
  micros: bigint,
  options: Partial<ScanOptions> = {},
): Promise<Overview> {
  let pages = 0;
  const found = await scan(
    snapshotsAt(orm, async () => micros),
    {
      // One that goes round in circles ends, too.
      goesOn: async () => (pages += 1) < MAX_PAGES,
      signal: new AbortController().signal,
      pauses: 0,
      ...options,
    },
  );
  if (found === undefined) throw new Error("the scan was given up");
  return found;
}

/** Snapshots in which a clock tells the time; by default the database's. */
export function snapshotsAt(
  orm: Orm,
  clock: (run: Run) => Promise<bigint> = databaseNow,
): ReadSnapshot {
  return (work) =>
    inSnapshot(orm, async (run) => work({ run, asOf: await clock(run), lags: false }));
}
