import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { afterAll, followedIn, wouldFollow } from "../../console/acts/followed.ts";
import {
  AccountSchema,
  EntryKind,
  EntrySchema,
  type Account,
} from "../../gen/points/v1/account_pb.ts";

type Init = MessageInitShape<typeof EntrySchema>;

const at = (seconds: bigint) => create(TimestampSchema, { seconds });
const entryOf = (init: Init) =>
  create(EntrySchema, { sequence: 58n, createTime: at(100n), ...init });
const lot = (claimed: bigint, ends?: bigint) => ({
  claimed,
  expireTime: ends === undefined ? undefined : create(TimestampSchema, at(ends)),
});
const LOTS = new Map([
  [1n, lot(0n)],
  [2n, lot(0n, 100n)],
  [3n, lot(40n)],
  [4n, lot(40n, 99n)],
  [5n, lot(0n, 101n)],
]);
const claim = (points: bigint, of: bigint) => ({ what: "claim", points, repaid: 0n, lot: of });
const expiry = (points: bigint, of: bigint) => ({ what: "expiry", points, repaid: 0n, lot: of });
const to = (...parts: [bigint, bigint][]) => parts.map(([of, points]) => ({ lot: of, points }));

describe("what would follow by itself", () => {
  test.each<[string, Init, bigint | undefined, unknown]>([
    ["nothing, of lots that live", { allocations: to([1n, 9n], [5n, 9n]) }, undefined, []],
    [
      "the end of what is of a lot whose time is over",
      { allocations: to([2n, 9n]) },
      undefined,
      [expiry(9n, 2n)],
    ],
    ["what a claim takes", { allocations: to([3n, 9n]) }, undefined, [claim(9n, 3n)]],
    ["no more than a claim waits for", { allocations: to([3n, 50n]) }, undefined, [claim(40n, 3n)]],
    [
      "first what a claim takes, then the end of the rest",
      { allocations: to([4n, 50n], [3n, 1n]) },
      undefined,
      [claim(40n, 4n), claim(1n, 3n), expiry(10n, 4n)],
    ],
    [
      "what is left of a claim that it ends in part",
      { allocations: to([3n, 30n]), uncovered: 15n },
      3n,
      [claim(25n, 3n)],
    ],
    ["nothing of a claim that it ends", { allocations: to([3n, 30n]), uncovered: 40n }, 3n, []],
    ["nothing of the new lot", { allocations: to([58n, 30n]) }, undefined, []],
    ["not known, of a lot that was not read", { allocations: to([6n, 30n]) }, undefined, undefined],
    [
      "nothing, of what takes points",
      { kind: EntryKind.REVOKE, allocations: to([3n, 30n]) },
      undefined,
      [],
    ],
  ])("is %s", (_, entry, ended, expected) => {
    expect(wouldFollow(entryOf({ kind: EntryKind.REFUND, ...entry }), ended, LOTS)).toEqual(
      expected,
    );
  });
});

test("what followed is what nobody asked for, in a row, at the same instant", () => {
  const by = (sequence: bigint, init: Init) => entryOf({ sequence, points: 5n, ...init });
  const followed = followedIn(entryOf({ requestId: "console-1" }), [
    by(62n, { kind: EntryKind.EXPIRE }),
    by(61n, { kind: EntryKind.CONSUME, caller: "app" }),
    by(60n, { kind: EntryKind.EXPIRE, allocations: to([2n, 3n], [4n, 2n]) }),
    by(59n, { kind: EntryKind.REVOKE, fromClaim: true, allocations: to([3n, 5n]) }),
    by(58n, { requestId: "console-1" }),
  ]);
  expect(followed).toEqual([
    { what: "claim", points: 5n, repaid: 0n, sequence: 59n, lot: 3n },
    { what: "expiry", points: 5n, repaid: 0n, sequence: 60n, lot: undefined },
  ]);
});

test("the figures after all of it add up to those that an account has", () => {
  const left: Account = create(AccountSchema, {
    balance: 1_411n,
    debt: 30n,
    totalRecharged: 2_000n,
    totalExpired: 7n,
    totalRevoked: 9n,
  });
  const after = afterAll(left, [
    { what: "claim", points: 100n, repaid: 0n },
    { what: "expiry", points: 26n, repaid: 0n },
    { what: "policy", points: 0n, repaid: 0n },
    { what: "allowance", points: 50n, repaid: 30n },
  ]);
  expect(after).toMatchObject({
    balance: 1_305n,
    debt: 0n,
    totalRecharged: 2_050n,
    totalExpired: 33n,
    totalRevoked: 109n,
  });
  expect(left.balance).toBe(1_411n);
});
