import type { Mutant } from "../mutant.ts";

export const VERIFY_MUTANTS: readonly Mutant[] = [
  {
    name: "verifies no hash of a receipt",
    file: "src/verify/receipts.ts",
    find: "if (Buffer.compare(hashed, hash) !== 0) {",
    replace: "if (hashed.length !== hash.length) {",
    caughtBy: "test/verify/receipts.test.ts",
  },
  {
    name: "does not miss the last receipt",
    file: "src/verify/receipts.ts",
    find: "if (last < receipts) return",
    replace: "if (last < 0n) return",
    caughtBy: "test/verify/receipts.test.ts",
  },
  {
    name: "believes any time of creation",
    file: "src/verify/receipts.ts",
    find: "if (firstTime !== account.createTime) return",
    replace: "if (firstTime < 0n) return",
    caughtBy: "test/verify/receipts.test.ts",
  },
  {
    name: "lets receipts be in any order",
    file: "src/verify/receipts.ts",
    find: "if (sequence < chain.sequence) return",
    replace: "if (sequence < 0n) return",
    caughtBy: "test/verify/receipts.test.ts",
  },
  {
    name: "lets a receipt answer with any entry",
    file: "src/verify/receipts.ts",
    find: "if (madeEntry && !isOfLedger) {",
    replace: "if (madeEntry && sequence === 0n) {",
    caughtBy: "test/verify/receipts.test.ts",
  },
  {
    name: "finds no request that has two receipts",
    file: "src/verify/verify.ts",
    find: "if (sequence === undefined) note(",
    replace: "if (sequence === -1n) note(",
    caughtBy: "test/verify/receipts.test.ts",
  },
  {
    name: "takes an index that is not valid for one",
    file: "src/verify/schema.ts",
    find: "where indisvalid and indisready",
    replace: "where indisready",
    caughtBy: "test/verify/schema.test.ts",
  },
  {
    name: "overlooks what is more in a schema",
    file: "src/verify/schema.ts",
    find: '!line.startsWith("index ")',
    replace: 'line.startsWith("?")',
    caughtBy: "test/verify/schema.test.ts",
  },
  {
    name: "looks at a partitioned table and not at its partitions",
    file: "src/verify/schema.ts",
    find: `where pg_class.relispartition
`,
    replace: `where false
`,
    caughtBy: "test/verify/schema.test.ts",
  },
  {
    name: "takes any names for those of the migrations",
    file: "src/verify/schema.ts",
    find: "names.join() === known.join()",
    replace: 'names.join() !== "?"',
    caughtBy: "test/verify/schema.test.ts",
  },
];
