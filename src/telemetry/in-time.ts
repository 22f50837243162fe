import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

// A scrape must not hang on a database that is away.
const LOOK_MS = 2_000;

/** What the database tells, for a scrape; `otherwise`: it does not, or not in time. */
export async function inTime<T, Otherwise>(
  ask: () => Promise<T>,
  otherwise: Otherwise,
): Promise<T | Otherwise> {
  // The pools are read first, so that they do not count the connection that this takes.
  await nextTurn();
  const late = sleep(LOOK_MS, otherwise, { ref: false });
  return Promise.race([ask().catch(() => otherwise), late]);
}
