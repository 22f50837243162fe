import type { Mutant } from "../mutant.ts";

export const TELEMETRY_MUTANTS: readonly Mutant[] = [
  {
    name: "shows metrics to any page on loopback",
    file: "src/telemetry/admin.ts",
    find: "const refusal = guard(request.headers);",
    replace: "const refusal = guard({});",
    caughtBy: "test/transport/authority.test.ts",
  },
  {
    name: "counts no debt that was repaid",
    file: "src/telemetry/metrics.ts",
    find: "if (repaid > 0n) lacking.inc",
    replace: "if (repaid < 0n) lacking.inc",
    caughtBy: "test/telemetry/metrics.test.ts",
  },
];
