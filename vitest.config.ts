import { defineConfig } from "vitest/config";
import { TEST_MS, WAIT_MS } from "./test/support/patience.ts";

/**
 * Screens of the console whose tests take minutes together. CI has 15 of them, and leaves these to
 * `npm test` by hand: it opens each screen by the tests of security and of the keyboard.
 */
const LONG_SCREENS = "test/console/{account,entry,find,movements,overview,statement}.test.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: process.env["CI"] === undefined ? [] : [LONG_SCREENS],
    // Many tests wait: for a deadline, a lease, a database that comes back.
    maxWorkers: 3,
    globalSetup: ["test/support/postgres.ts", "test/support/built-console.ts"],
    // They end what hangs. No machine is so slow that they end anything else.
    testTimeout: TEST_MS,
    hookTimeout: TEST_MS,
    expect: { poll: { timeout: WAIT_MS } },
  },
});
