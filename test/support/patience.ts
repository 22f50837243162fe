/** Settings for calls without a deadline, so that a slow machine does not end them. */
export const PATIENCE = { DEADLINE_DEFAULT_MS: "60000" };

/** The timeout of a test that computes for most of a minute on an idle machine. */
export const LONG_MS = 1_800_000;
