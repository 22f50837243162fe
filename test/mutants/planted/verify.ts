import type { Mutant } from "../mutant.ts";

export const VERIFY_MUTANTS: readonly Mutant[] = [
  {
    name: "lets an entry take of lots that burn later",
    file: "src/verify/moves.ts",
    find: "if (remaining > 0n && burnsFirst(number, last)) {",
    replace: "if (remaining < 0n && burnsFirst(number, last)) {",
    caughtBy: "test/verify/forgery.test.ts",
  },
  {
    name: "lets an entry take more than a lot has",
    file: "src/verify/books.ts",
    find: "if (lot === undefined || remaining < points) {",
    replace: "if (lot === undefined || remaining < 0n) {",
    caughtBy: "test/verify/forgery.test.ts",
  },
  {
    name: "hashes no caller of an entry",
    file: "src/verify/hashes.ts",
    find: '...(caller === "" ? [] : [caller]),',
    replace: '...(caller === "" ? [caller] : []),',
    caughtBy: "test/verify/verify.test.ts",
  },
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
