import type { Mutant } from "../mutant.ts";

export const CONFIG_MUTANTS: readonly Mutant[] = [
  {
    name: "drops a parameter of DATABASE_URL that it does not know",
    file: "src/config/database-url.ts",
    find: "    const [name, value] = parameterOf(pair);",
    replace:
      '    const [name, value] = Object.hasOwn(PARAMETERS, pair.split("=")[0]!)\n      ? parameterOf(pair)\n      : (["options", ""] as const);',
    caughtBy: "test/config/database-url.test.ts",
  },
  {
    name: "reads a plus in a password as a space",
    file: "src/config/database-url.ts",
    find: "const value = decodeURIComponent(text);",
    replace: 'const value = decodeURIComponent(text.replaceAll("+", " "));',
    caughtBy: "test/config/database-url.test.ts",
  },
  {
    name: "starts a worker by files as they are now",
    file: "src/config/reload.ts",
    find: 'sentTexts[path] ?? readFileSync(path, "utf8")',
    replace: 'readFileSync(path, "utf8")',
    caughtBy: "test/process/worker-files.test.ts",
  },
  {
    name: "admits a clock for tests beside a database in production",
    file: "src/config/environment.ts",
    find: "if (config.testClock && config.databaseUrl !== undefined && !cluster.isWorker)",
    replace: "if (config.testClock && config.databaseUrl === undefined && cluster.isWorker)",
    caughtBy: "test/config/environment.test.ts",
  },
  {
    name: "refuses the workers of a server whose clock is for tests",
    file: "src/config/environment.ts",
    find: " && !cluster.isWorker)",
    replace: ")",
    caughtBy: "test/process/test-clock.test.ts",
  },
];
