import { onTestFinished, vi } from "vitest";

/**
 * Sets this process's clock forward until the end of the test: by it servers in the process tell
 * the age of tokens, keys and certificates. Timers go on as before.
 */
export function forwardClock(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
  onTestFinished(() => void vi.useRealTimers());
}
