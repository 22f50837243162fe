import type { Mutant } from "../mutant.ts";

export const CLI_MUTANTS: readonly Mutant[] = [
  {
    name: "reads numbers in other bases at the terminal",
    file: "src/cli/arguments.ts",
    find: "if (/^(0|[1-9]\\d{0,17})$/.test(text))",
    replace: "if (/^0?x?\\d{1,17}$/.test(text))",
    caughtBy: "test/process/command-line.test.ts",
  },
  {
    name: "leaves out of a statement what was not covered",
    file: "src/cli/entry-table.ts",
    find: "    [uncovered, uncoveredText(entry)],\n",
    replace: "",
    caughtBy: "test/cli/commands.test.ts",
  },
  {
    name: "sweeps by the real clock a ledger whose clock was set forward",
    file: "src/cli/sweep.ts",
    find: "if (!config.testClock) await refuseAdvanced(orm.em.fork());",
    replace: "if (config.testClock) await refuseAdvanced(orm.em.fork());",
    caughtBy: "test/process/test-clock.test.ts",
  },
];
