import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** Where Debian puts it: `apt-get install chromium`. */
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** Where there is none, tests that need one are left out by name. */
export const hasBrowser = existsSync(CHROMIUM);

export function launchBrowser(): Promise<Browser> {
  // SIGHUP tells a server of this process to read its files again, not the browser to end.
  return chromium.launch({ executablePath: CHROMIUM, args: QUIET, handleSIGHUP: false });
}

// It looks for nothing but the page. As root it has no sandbox.
const QUIET = [
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
