/** A bug, planted in a copy of the source: a text of one file that is replaced by another. */
export type Mutant = {
  /** What is wrong then. */
  readonly name: string;
  readonly file: string;
  /** It is in the file once. */
  readonly find: string;
  readonly replace: string;
  /** What finds it: a run of the torture, with some faults or without, or a file of tests. */
  readonly caughtBy:
    "torture --only COMMIT" | "torture --only clock" | "torture --calm" | `test/${string}.test.ts`;
};
