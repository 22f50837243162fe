import type { Mutant } from "../mutant.ts";

export const TELEMETRY_MUTANTS: readonly Mutant[] = [
  {
    name: "shows metrics to any page on loopback",
    file: "src/telemetry/admin.ts",
    find: "const refusal = guard(request.headers);",
    replace: "const refusal = guard({});",
    caughtBy: "test/transport/authority.test.ts",
  },
];
