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
  {
    name: "sends a batch beside the one that is under way",
    file: "src/client/batch-queue.ts",
    find: "await run(waiting",
    replace: "void run(waiting",
    caughtBy: "test/client/batching.test.ts",
  },
  {
    name: "ends a batch with the first of its calls that settles",
    file: "src/client/batching.ts",
    find: "if (unsettled === 0) abort.abort();",
    replace: "abort.abort();",
    caughtBy: "test/client/batching.test.ts",
  },
  {
    name: "forgets that a batch with too large an answer was applied",
    file: "src/client/batching.ts",
    find: "for (const call of calls) call.noteAttempt(error);",
    replace: "",
    caughtBy: "test/client/batching.test.ts",
  },
  {
    name: "shares one error among the calls of a batch",
    file: "src/client/batching.ts",
    find: "call.fail(copyOf(error))",
    replace: "call.fail(error)",
    caughtBy: "test/client/batching.test.ts",
  },
];
