import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Many tests wait: for a deadline, a lease, a database that comes back.
    maxWorkers: 3,
    globalSetup: "test/support/postgres.ts",
    // They end what hangs. No machine is so slow that they end anything else.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 240_000 } },
  },
});
