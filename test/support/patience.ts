/**
 * The longest wait for an event, however slow the machine is. Where a planted bug hangs, nobody
 * needs to wait so long: POINTS_TEST_WAIT_MS sets it.
 */
export const WAIT_MS = Number(process.env["POINTS_TEST_WAIT_MS"] ?? 240_000);

/** The timeout of a test: it ends what hangs, after all waits in it. */
export const TEST_MS = WAIT_MS + WAIT_MS / 4;

/**
 * Settings for calls without a deadline, so that a slow machine ends neither them nor their wait for
 * a connection of the pool.
 */
export const PATIENCE = {
  DEADLINE_DEFAULT_MS: String(WAIT_MS),
  DEADLINE_MAX_MS: String(WAIT_MS),
  PGCONNECT_TIMEOUT: String(WAIT_MS / 1_000),
};

/**
 * Takes lines that say that the database is away out of a server's log: on a slow machine a health
 * check may last longer than its three seconds.
 */
export function withoutAway(log: string): string {
  return log.replaceAll(/^.*"msg":"the database is away".*\n/gm, "");
}

/** The timeout of a test that computes for most of a minute on an idle machine. */
export const LONG_MS = 1_800_000;
