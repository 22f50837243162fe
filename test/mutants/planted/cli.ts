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
    name: "ends a list of entries before it has shown all",
    file: "src/cli/entries.ts",
    find: "if (!follow && message.caughtUpTo !== undefined) break;",
    replace: "if (!follow) break;",
    caughtBy: "test/cli/entries.test.ts",
  },
  {
    name: "sweeps by the real clock a ledger whose clock was set forward",
    file: "src/cli/sweep.ts",
    find: "if (!config.testClock) await refuseAdvanced(orm.em.fork());",
    replace: "if (config.testClock) await refuseAdvanced(orm.em.fork());",
    caughtBy: "test/process/test-clock.test.ts",
  },
  {
    name: "puts an allowance of every week for one of every two",
    file: "src/cli/policy-rule.ts",
    find: "return { count: Number(count), unit };",
    replace: "return { count: 1, unit };",
    caughtBy: "test/cli/policies.test.ts",
  },
  {
    name: "leaves the alerts out of a statement",
    file: "src/cli/entry-table.ts",
    find: "    ...alerts.map((name) => `alert ${name}`),\n",
    replace: "",
    caughtBy: "test/cli/policies.test.ts",
  },
  {
    name: "verifies a root that the database has not come to",
    file: "src/cli/verify-root.ts",
    find: "before(horizon.epoch, horizon.feed)) > 0)",
    replace: "before(horizon.epoch, horizon.feed)) > 1)",
    caughtBy: "test/cli/root.test.ts",
  },
  {
    name: "says of no root that a restore may have changed it",
    file: "src/cli/verify-root.ts",
    find: "mark !== undefined && isKept(mark, lives) ?",
    replace: "mark === undefined || lives.length > 0 ?",
    caughtBy: "test/cli/root.test.ts",
  },
  {
    name: "takes any file of accounts for the root's",
    file: "src/cli/verify-root.ts",
    find: "if (await makesRoot(leaves(), root)) return leaves;",
    replace: "if (root.accounts > 0n || (await makesRoot(leaves(), root))) return leaves;",
    caughtBy: "test/cli/root.test.ts",
  },
];
