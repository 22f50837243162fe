import type { Mutant } from "../mutant.ts";

export const PROJECTION_MUTANTS: readonly Mutant[] = [
  {
    name: "says that the index has what an open transaction will bring",
    file: "src/projection/turn.ts",
    find: "known = look(known, { ...seen, flushedLsn: seen.lsn });",
    replace: "known = look(known, { ...seen, xmin: seen.xmax, flushedLsn: seen.lsn });",
    caughtBy: "test/projection/steps.test.ts",
  },
];
