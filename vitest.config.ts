import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Many tests wait: for a deadline, a lease, a database that comes back.
    maxWorkers: 3,
    globalSetup: "test/support/postgres.ts",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
