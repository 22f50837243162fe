import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { movesOfLot } from "../../console/entry/moves-of-lot.ts";
import { EntrySchema } from "../../gen/points/v1/account_pb.ts";

test("what moved points of a lot is what names it, with the points of that lot alone", () => {
  const entries = [
    { sequence: 9n, allocations: [{ lot: 1n, points: 4n }] },
    {
      sequence: 8n,
      allocations: [
        { lot: 1n, points: 4n },
        { lot: 3n, points: 2n },
        { lot: 3n, points: 1n },
      ],
    },
    { sequence: 3n, allocations: [{ lot: 3n, points: 50n }] },
  ].map((one) => create(EntrySchema, one));
  expect(movesOfLot(entries, 3n)).toEqual([{ entry: entries[1], points: 3n }]);
});
