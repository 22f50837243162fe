import { onTestFinished, vi } from "vitest";

/**
 * Sets this process's clock forward until the end of the test. Servers in the process use it for
 * the age of tokens, keys and certificates. Timers are not affected.
 */
export function forwardClock(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
  onTestFinished(() => void vi.useRealTimers());
}
