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
];
