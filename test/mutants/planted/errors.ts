import type { Mutant } from "../mutant.ts";

export const ERRORS_MUTANTS: readonly Mutant[] = [
  {
    name: "classifies the end of a connection as a bug",
    file: "src/errors/database-fault.ts",
    find: 'not queryable/i.test(message)) return "cut";',
    replace: 'not queryable/i.test(message)) return "bug";',
    caughtBy: "torture --only COMMIT",
  },
  {
    name: "does not retry when another server made the account first",
    file: "src/errors/database-fault.ts",
    find: 'error.constraint === "account_pkey"',
    replace: 'error.constraint === "account_key"',
    caughtBy: "test/commit/new-account.test.ts",
  },
];
