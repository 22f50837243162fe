import { defineConfig } from "vitest/config";
import { TEST_MS, WAIT_MS } from "./test/support/patience.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Many tests wait: for a deadline, a lease, a database that comes back.
    maxWorkers: 3,
    globalSetup: ["test/support/postgres.ts", "test/support/built-console.ts"],
    // They end what hangs. No machine is so slow that they end anything else.
    testTimeout: TEST_MS,
    hookTimeout: TEST_MS,
    expect: { poll: { timeout: WAIT_MS } },
  },
});
