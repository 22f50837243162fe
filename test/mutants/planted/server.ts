import type { Mutant } from "../mutant.ts";

export const SERVER_MUTANTS: readonly Mutant[] = [
  {
    name: "starts on a database that may lose answers though DURABILITY=require",
    file: "src/server/ready-database.ts",
    find: "if (gaps.length === 0) return;",
    replace: "if (gaps.length >= 0) return;",
    caughtBy: "test/process/durability.test.ts",
  },
  {
    name: "goes on serving from a database that may lose answers though DURABILITY=require",
    file: "src/server/database-watch.ts",
    find: 'return isUp && (durability === "warn" || gaps.length === 0);',
    replace: "return isUp;",
    caughtBy: "test/process/durability.test.ts",
  },
  {
    name: "hides the reasons from reflection",
    file: "src/server/points-api.ts",
    find: "  file_points_v1_error_reason,\n];",
    replace: "];",
    caughtBy: "test/server/reflection.test.ts",
  },
  {
    name: "closes its port as soon as it is told to stop",
    file: "src/server/one-process.ts",
    find: "await pause(config.lameDuckMs, hurried);",
    replace: "await pause(0, hurried);",
    caughtBy: "test/process/lame-duck.test.ts",
  },
  {
    name: "calls a server ready whose workers all hang",
    file: "src/server/workers.ts",
    find: 'if ((await ask(worker, "isReady")) !== true)',
    replace: 'if ((await ask(worker, "isReady")) === false)',
    caughtBy: "test/process/worker-readiness.test.ts",
  },
  {
    name: "serves by the real clock a ledger whose clock was set forward",
    file: "src/server/ready-database.ts",
    find: "await (testClock ? makeTestClock : removeTestClock)(orm.em.fork());",
    replace: "if (testClock) await makeTestClock(orm.em.fork());",
    caughtBy: "test/process/test-clock.test.ts",
  },
  {
    name: "reads by the real clock beside batches by one for tests",
    file: "src/server/one-process.ts",
    find: "    testClock: config.testClock,\n",
    replace: "",
    caughtBy: "test/process/test-clock.test.ts",
  },
  {
    name: "quotes prices by the machine's clock in tests by another",
    file: "src/server/start.ts",
    find: "config.testClock ? () => inSnapshot(reads, databaseNow) : serverTime",
    replace: "serverTime",
    caughtBy: "test/process/test-clock.test.ts",
  },
];
