/** A mutant: a bug planted in a copy of the source by replacing a text in one file. */
export type Mutant = {
  /** The bug in words. */
  readonly name: string;
  readonly file: string;
  /** Must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** The check that finds it: a torture run, with or without faults, or a test file. */
  readonly caughtBy:
    "torture --only COMMIT" | "torture --only clock" | "torture --calm" | `test/${string}.test.ts`;
};
