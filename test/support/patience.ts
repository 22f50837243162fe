/** Waits for events last at most this long, however slow the machine is. */
export const WAIT_MS = 240_000;

/**
 * Settings of a server whose calls name no deadline: a slow machine ends neither them nor the wait
 * for a connection of the pool.
 */
export const PATIENCE = {
  DEADLINE_DEFAULT_MS: String(WAIT_MS),
  DEADLINE_MAX_MS: String(WAIT_MS),
  PGCONNECT_TIMEOUT: String(WAIT_MS / 1_000),
};

/** For a test that computes for most of a minute on an idle machine. */
export const LONG_MS = 1_800_000;
