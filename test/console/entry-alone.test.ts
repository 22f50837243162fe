import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { differences, FIGURES, figuresBefore } from "../../console/acts/entry-alone.ts";
import { AccountSchema, EntryKind, EntrySchema } from "../../gen/points/v1/account_pb.ts";

type Entry = MessageInitShape<typeof EntrySchema>;

const HUNDREDS = Object.fromEntries(FIGURES.map((figure) => [figure, 100n]));

describe("the figures before an entry follow from those after it, of which each is 100", () => {
  test.each<[string, Entry, object]>([
    [
      "a recharge that repaid debt",
      { kind: EntryKind.RECHARGE, points: 10n, repaid: 4n },
      { balance: 94n, debt: 104n, totalRecharged: 90n },
    ],
    ["a refund", { kind: EntryKind.REFUND, points: 10n }, { balance: 90n, totalRefunded: 90n }],
    [
      "a release that repaid debt",
      { kind: EntryKind.RELEASE, points: 10n, repaid: 4n },
      { balance: 94n, frozen: 110n, debt: 104n },
    ],
    [
      "a revocation of which a part is owed",
      { kind: EntryKind.REVOKE, points: 10n, owed: 4n, uncovered: 5n },
      { balance: 106n, debt: 96n, totalRevoked: 90n },
    ],
    ["an expiry", { kind: EntryKind.EXPIRE, points: 10n }, { balance: 110n, totalExpired: 90n }],
    ["a policy", { kind: EntryKind.SET_POLICY }, {}],
  ])("%s", (_, entry, changed) => {
    const before = figuresBefore(create(EntrySchema, entry), create(AccountSchema, HUNDREDS));
    expect(before).toEqual({ ...HUNDREDS, ...changed });
  });
});

test("what was done differs from its preview in its numbers, whatever number it has", () => {
  const shown = create(EntrySchema, { sequence: 4n, points: 100n, balanceAfter: 0n });
  const done = create(EntrySchema, { sequence: 5n, points: 10n, uncovered: 90n, balanceAfter: 0n });
  expect(differences(shown, done)).toEqual([
    { number: "points", shown: 100n, done: 10n },
    { number: "uncovered", shown: 0n, done: 90n },
  ]);
  expect(differences(shown, create(EntrySchema, { ...shown, sequence: 9n }))).toEqual([]);
});
