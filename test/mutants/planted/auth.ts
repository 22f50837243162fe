import type { Mutant } from "../mutant.ts";

export const AUTH_MUTANTS: readonly Mutant[] = [
  {
    name: "accepts an ID token as an access token",
    file: "src/auth/jwt.ts",
    find: "if (isOther || isIdToken ||",
    replace: "if ((isOther && isIdToken) ||",
    caughtBy: "test/auth/tokens.test.ts",
  },
  {
    name: "takes a JWT for the caller of the file that has its name",
    file: "src/auth/credentials.ts",
    find: "one.caller.name === jwt.caller.name",
    replace: "one.caller === jwt.caller",
    caughtBy: "test/auth/tokens.test.ts",
  },
  {
    name: "lets callers recharge who may only refund",
    file: "src/auth/rules.ts",
    find: 'recharge: ["points.grant"],',
    replace: 'recharge: ["points.grant", "points.refund"],',
    caughtBy: "test/auth/access.test.ts",
  },
  {
    name: "lets a silent stream outlive its token",
    file: "src/auth/lease.ts",
    find: "setInterval(checkAll, CHECK_MS)",
    replace: "setInterval(() => {}, CHECK_MS)",
    caughtBy: "test/auth/withdrawal.test.ts",
  },
  {
    name: "keeps keys of JWTs for ten minutes after they are withdrawn at their URL",
    file: "src/auth/keys-at-url.ts",
    find: "const FRESH_MS = 60_000;",
    replace: "const FRESH_MS = 600_000;",
    caughtBy: "test/auth/tokens.test.ts",
  },
];
