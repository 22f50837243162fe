import { scan, type ScanOptions } from "../../src/projection/scan.ts";
import type { Orm } from "../../src/store/driver/orm.ts";
import type { Overview } from "../../src/store/reads/held.ts";

const MAX_PAGES = 100;

/** Scans all accounts as of an instant, in microseconds since 1970, without pauses. */
export async function scanAt(
  orm: Orm,
  micros: bigint,
  options: Partial<ScanOptions> = {},
): Promise<Overview> {
  let pages = 0;
  const found = await scan(orm, {
    // One that goes round in circles ends, too.
    goesOn: async () => (pages += 1) < MAX_PAGES,
    signal: new AbortController().signal,
    pauses: 0,
    clock: async () => micros,
    ...options,
  });
  if (found === undefined) throw new Error("the scan was given up");
  return found;
}
