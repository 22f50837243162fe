import { timestampNow } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { type Fold, startFold } from "../../src/transfer/fold.ts";
import { requireRestorable } from "../../src/transfer/restore.ts";

const LOT = {
  points: 1n,
  remaining: 1n,
  priority: 0,
  expireTime: undefined,
  category: "",
  services: [],
};
const HOLD = {
  points: 1n,
  allocations: [{ lot: 1n, points: 1n }],
  settled: 0n,
  expireTime: timestampNow(),
  service: undefined,
  member: "",
};

test.each<[Partial<Fold>, string]>([
  [{ refunded: 5n, consumed: 4n }, "5 points were refunded, and only 4 consumed or revoked"],
  [
    { consumed: 9n, refunded: 2n, books: owing(8n) },
    "8 points are owed, and only 7 consumed or revoked",
  ],
  [
    {
      refunded: 100_000n,
      consumed: 100_000n,
      lots: new Map([
        [1n, { ...LOT, remaining: 9n }],
        [2n, { ...LOT, remaining: 99n, services: ["tts"] }],
      ]),
    },
    "100000 refunded points are too many to be made again with 9",
  ],
  [
    { lots: new Map(Array.from({ length: 4_097 }, (_, index) => [BigInt(index), LOT])) },
    "ada has 4097 lots and parts of holds, more than 4096",
  ],
  [
    { lots: new Map([[1n, { ...LOT, remaining: 1_000_000_000_001n }]]) },
    "points must be greater than or equal to 1 and less than or equal to 1000000000000",
  ],
  [
    { lots: new Map([[1n, { ...LOT, priority: 1001 }]]) },
    "priority must be greater than or equal to 0 and less than or equal to 1000",
  ],
  [
    {
      lots: new Map([[1n, { ...LOT, services: ["tts"] }]]),
      holds: new Map([[2n, HOLD]]),
    },
    "hold 2 of ada has points of lot 1, which only some services may take",
  ],
  [
    { lots: new Map([[1n, LOT]]), holds: new Map([[2n, HOLD]]), books: claiming(1n) },
    "hold 2 of ada has points of lot 1, of which points are claimed: settle or release it",
  ],
  [{ userId: "ada b", lots: new Map([[1n, LOT]]) }, "user_id"],
])("an account that cannot be restored is refused before its first operation", (fold, why) => {
  expect(() => requireRestorable({ ...startFold("ada"), ...fold })).toThrow(why);
});

function owing(debt: bigint): Fold["books"] {
  const { books } = startFold("ada");
  books.figures.debt = debt;
  return books;
}

function claiming(lot: bigint): Fold["books"] {
  const { books } = startFold("ada");
  books.revocations.set(lot, { revoked: 2n, claimed: 1n });
  return books;
}
