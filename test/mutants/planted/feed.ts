import type { Mutant } from "../mutant.ts";

export const FEED_MUTANTS: readonly Mutant[] = [
  {
    name: "waits for the WAL to come to the disk by itself",
    file: "src/feed/watch-horizon.ts",
    find: "if (isUnflushed(known)) await flush();",
    replace: "",
    caughtBy: "test/feed/watch-horizon.test.ts",
  },
];
