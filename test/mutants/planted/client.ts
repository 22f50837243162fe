import type { Mutant } from "../mutant.ts";

export const CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: "throws what is true of the last attempt alone",
    file: "src/client/retry.ts",
    find: "if (mayBeApplied) downgradeNotApplied(error);",
    replace: "",
    caughtBy: "test/client/outcome.test.ts",
  },
  {
    name: "gives a repeat another request id",
    file: "src/client/retry.ts",
    find: "method, signal, leftMs, header, request, values);\n        if",
    replace: "method, signal, leftMs, header, input, values);\n        if",
    caughtBy: "test/client/retry.test.ts",
  },
  {
    name: "sends a call again that its caller gave up",
    file: "src/client/retry.ts",
    find: "waitMs === undefined || signal?.aborted === true",
    replace: "waitMs === undefined",
    caughtBy: "test/client/retry.test.ts",
  },
  {
    name: "takes the end of a killed server for a cancellation",
    file: "src/client/unanswered.ts",
    find: 'return rawMessage !== "connection aborted";',
    replace: 'return rawMessage === "";',
    caughtBy: "test/client/broken-line.test.ts",
  },
  {
    name: "repeats what a pushback forbids",
    file: "src/client/retry.ts",
    find: "if (pushback !== null && !/^\\d+$/.test(pushback)) return undefined;",
    replace: "",
    caughtBy: "test/client/retry.test.ts",
  },
];
