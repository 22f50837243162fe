/** Shows progress on a terminal, at most every 100 ms. It is for people: it would fill a log. */
export type Progress = { show(text: () => string): void; clear(): void };

const EVERY_MS = 100;
const BAR_PLACES = 24;

/** Shows progress on standard error, and nothing if that is not a terminal. */
export function startProgress(): Progress {
  let shownAt = 0;
  return {
    show(text) {
      const now = performance.now();
      if (!process.stderr.isTTY || now - shownAt < EVERY_MS) return;
      shownAt = now;
      process.stderr.write(`\r\x1b[K${text()}`);
    },
    clear() {
      if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    },
  };
}

/** A progress bar. @param part from 0 to 1 */
export function bar(part: number): string {
  const full = Math.round(Math.min(part, 1) * BAR_PLACES);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  return `[${"#".repeat(full)}${".".repeat(BAR_PLACES - full)}]${percent}`;
}

/** A count and its rate a second. @param sinceMs a time of `performance.now()` */
export function rateText(many: number, what: string, sinceMs: number): string {
  const rate = Math.round((many / Math.max(performance.now() - sinceMs, 1)) * 1000);
  return `${many.toLocaleString("en")} ${what}, ${rate.toLocaleString("en")}/s`;
}
