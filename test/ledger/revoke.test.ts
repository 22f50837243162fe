import { describe, expect, test } from "vitest";
import { MAX_TOTAL } from "../../src/ledger/account.ts";
import type { Mutation } from "../../src/ledger/command.ts";
import {
  consume,
  expireLot,
  freeze,
  freezeUntil,
  OWE,
  recharge,
  rechargeFor,
  refund,
  release,
  revoke,
  revokeLot,
  settle,
  usageOf,
} from "../support/commands.ts";
import {
  decideAt,
  NOW,
  outcome,
  play,
  stateOf,
  type Step,
  withCreditLine,
} from "../support/statement.ts";

const until = (offset: bigint) => ({ kind: "at", time: NOW + offset }) as const;

type Case = [title: string, lots: string[], steps: Step[], journal: string[], left: Left];
type Left = { balance: bigint; debt?: bigint; frozen?: bigint; totalRevoked: bigint };

const cases: Case[] = [
  [
    "points are revoked in burn order, of lots for any services",
    ["#1: 30 of 30", "#2: 30 of 30, for tts"],
    [[0n, revoke(40n)]],
    ["3 revoke 40: 30 of #2, 10 of #1"],
    { balance: 20n, totalRevoked: 40n },
  ],
  [
    "of points that are not there what there is is taken, and nothing is claimed",
    ["#1: 30 of 30"],
    [
      [0n, revoke(40n, "take")],
      [1n, recharge(20n)],
    ],
    ["2 revoke 30, 10 uncovered: 30 of #1", "3 recharge 20: 20 of #3"],
    { balance: 20n, totalRevoked: 30n },
  ],
  [
    "points that are not there become debt of any size",
    ["#1: 30 of 30"],
    [[0n, revoke(1_000n, "owe")]],
    ["2 revoke 1000, 970 owed: 30 of #1"],
    { balance: 0n, debt: 970n, totalRevoked: 1_000n },
  ],
  [
    "a whole lot is revoked, and no other is touched",
    ["#1: 30 of 30", "#2: 50 of 50"],
    [[0n, revokeLot(2n)]],
    ["3 revoke 50 of lot 2: 50 of #2"],
    { balance: 30n, totalRevoked: 50n },
  ],
  [
    "a lot is revoked in parts, each of what is left",
    ["#1: 50 of 50"],
    [
      [0n, revokeLot(1n, 20n)],
      [1n, revokeLot(1n, 10n)],
      [2n, revokeLot(1n)],
    ],
    [
      "2 revoke 20 of lot 1: 20 of #1",
      "3 revoke 10 of lot 1: 10 of #1",
      "4 revoke 20 of lot 1: 20 of #1",
    ],
    { balance: 0n, totalRevoked: 50n },
  ],
  [
    "what a lot lacks stays a claim, which takes what a refund brings back",
    ["#1: 100 of 100"],
    [
      [0n, consume(40n)],
      [1n, revokeLot(1n, undefined, "take")],
      [2n, refund(2n, 30n)],
      [3n, refund(2n)],
    ],
    [
      "2 consume 40: 40 of #1",
      "3 revoke 60 of lot 1, 40 uncovered: 60 of #1",
      "4 refund 30 of entry 2: 30 of #1",
      "5 revoke 30 of lot 1 for its claim: 30 of #1",
      "6 refund 10 of entry 2: 10 of #1",
      "7 revoke 10 of lot 1 for its claim: 10 of #1",
    ],
    { balance: 0n, totalRevoked: 100n },
  ],
  [
    "a claim leaves what comes back beyond it",
    ["#1: 100 of 100"],
    [
      [0n, freeze(60n)],
      [1n, revokeLot(1n, 50n, "take")],
      [2n, release(2n)],
    ],
    [
      "2 freeze 60 until +50: 60 of #1",
      "3 revoke 40 of lot 1, 10 uncovered: 40 of #1",
      "4 release 60 of hold 2: 60 of #1",
      "5 revoke 10 of lot 1 for its claim: 10 of #1",
    ],
    { balance: 50n, totalRevoked: 50n },
  ],
  [
    "a hold that ends by itself meets the claims of its lots at that instant",
    ["#1: 20 of 20", "#2: 30 of 30"],
    [
      [0n, freezeUntil(50n, NOW + 5n)],
      [1n, revokeLot(1n, undefined, "take")],
      [2n, revokeLot(2n, 10n, "take")],
      [9n, recharge(1n)],
    ],
    [
      "3 freeze 50 until +5: 20 of #1, 30 of #2",
      "4 revoke 0 of lot 1, 20 uncovered",
      "5 revoke 0 of lot 2, 10 uncovered",
      "6 release 50 of hold 3: 20 of #1, 30 of #2",
      "7 revoke 20 of lot 1 for its claim: 20 of #1",
      "8 revoke 10 of lot 2 for its claim: 10 of #2",
      "9 recharge 1: 1 of #9",
    ],
    { balance: 21n, totalRevoked: 30n },
  ],
  [
    "the rest of a settled hold meets claims, then debt, then the balance",
    ["#1: 20 of 20", "#2: 30 of 30"],
    [
      [0n, freeze(50n)],
      [1n, revokeLot(2n, 28n, "take")],
      [2n, consume(5n, OWE)],
      [3n, settle(3n, 20n)],
    ],
    [
      "3 freeze 50 until +50: 20 of #1, 30 of #2",
      "4 revoke 0 of lot 2, 28 uncovered",
      "5 consume 5, 5 owed",
      "6 settle 20 of hold 3, 30 returned, 2 repaid: 20 of #1",
      "7 revoke 28 of lot 2 for its claim: 28 of #2",
    ],
    { balance: 0n, debt: 3n, totalRevoked: 28n },
  ],
  [
    "a claim comes before the expiry of its lot",
    ["#1: 50 of 50, expires +5"],
    [
      [0n, freeze(50n)],
      [1n, revokeLot(1n, 20n, "take")],
      [9n, release(2n)],
    ],
    [
      "2 freeze 50 until +50: 50 of #1",
      "3 revoke 0 of lot 1, 20 uncovered",
      "4 release 50 of hold 2: 50 of #1",
      "5 revoke 20 of lot 1 for its claim: 20 of #1",
      "6 expire 30: 30 of #1",
    ],
    { balance: 0n, totalRevoked: 20n },
  ],
  [
    "a claim takes points before they are given a new lot",
    ["#1: 50 of 50, expires +5"],
    [
      [0n, consume(50n)],
      [1n, revokeLot(1n, 20n, "take")],
      [9n, refund(2n, undefined, 100n)],
    ],
    [
      "2 consume 50: 50 of #1",
      "3 revoke 0 of lot 1, 20 uncovered",
      "4 refund 50 of entry 2, a new lot until +109: 20 of #1, 30 of #4",
      "5 revoke 20 of lot 1 for its claim: 20 of #1",
    ],
    { balance: 30n, totalRevoked: 20n },
  ],
  [
    "what has expired of a lot can be claimed, and then never comes",
    ["#1: 50 of 50"],
    [
      [0n, expireLot(1n)],
      [1n, revokeLot(1n, undefined, "take")],
    ],
    ["2 expire 50: 50 of #1", "3 revoke 0 of lot 1, 50 uncovered"],
    { balance: 0n, totalRevoked: 0n },
  ],
  [
    "what has expired of a lot is owed like what was spent of it",
    ["#1: 50 of 50, expires +5"],
    [
      [0n, consume(20n)],
      [9n, revokeLot(1n, undefined, "owe")],
    ],
    ["2 consume 20: 20 of #1", "3 expire 30: 30 of #1", "4 revoke 50 of lot 1, 50 owed"],
    { balance: 0n, debt: 50n, totalRevoked: 50n },
  ],
  [
    "points that a refund gave a new lot are revoked by that lot's number",
    ["#1: 50 of 50, expires +5"],
    [
      [0n, consume(50n)],
      [9n, refund(2n, undefined, 100n)],
      [9n, revokeLot(1n, undefined, "take")],
      [9n, revokeLot(3n)],
    ],
    [
      "2 consume 50: 50 of #1",
      "3 refund 50 of entry 2, a new lot until +109: 50 of #3",
      "4 revoke 0 of lot 1, 50 uncovered",
      "5 revoke 50 of lot 3: 50 of #3",
    ],
    { balance: 0n, totalRevoked: 50n },
  ],
  [
    "what a lot lacks is owed once other lots without services have nothing",
    ["#1: 50 of 50", "#2: 20 of 20", "#3: 5 of 5, for tts"],
    [
      [0n, consume(50n)],
      [1n, revokeLot(1n, undefined, "owe")],
    ],
    ["4 consume 50: 50 of #1", "5 revoke 50 of lot 1, 30 owed: 20 of #2"],
    { balance: 5n, debt: 30n, totalRevoked: 50n },
  ],
  [
    "a lot for some services gives first what it has itself",
    ["#1: 50 of 50, for tts", "#2: 20 of 20"],
    [
      [0n, consume(usageOf("tts", 40n))],
      [1n, revokeLot(1n, undefined, "owe")],
    ],
    ["3 consume 40: 40 of #1", "4 revoke 50 of lot 1, 20 owed: 10 of #1, 20 of #2"],
    { balance: 0n, debt: 20n, totalRevoked: 50n },
  ],
  [
    "points of a recharge that repaid debt are lacking, too",
    [],
    [
      [0n, consume(30n, OWE)],
      [1n, recharge(50n)],
      [2n, revokeLot(2n, undefined, "owe")],
    ],
    [
      "1 consume 30, 30 owed",
      "2 recharge 50, 30 repaid: 20 of #2",
      "3 revoke 50 of lot 2, 30 owed: 20 of #2",
    ],
    { balance: 0n, debt: 30n, totalRevoked: 50n },
  ],
  [
    "a lot that a recharge made to repay debt alone is revoked like others",
    [],
    [
      [0n, consume(30n, OWE)],
      [1n, recharge(10n)],
      [2n, revokeLot(2n, undefined, "take")],
    ],
    ["1 consume 30, 30 owed", "2 recharge 10, 10 repaid", "3 revoke 0 of lot 2, 10 uncovered"],
    { balance: 0n, debt: 20n, totalRevoked: 0n },
  ],
  [
    "a refund of a revocation gives back what it took",
    ["#1: 50 of 50"],
    [
      [0n, revokeLot(1n, 20n)],
      [1n, refund(2n)],
    ],
    ["2 revoke 20 of lot 1: 20 of #1", "3 refund 20 of entry 2: 20 of #1"],
    { balance: 50n, totalRevoked: 20n },
  ],
  [
    "a refund of a revocation ends its claim first",
    ["#1: 100 of 100"],
    [
      [0n, consume(40n)],
      [1n, revokeLot(1n, undefined, "take")],
      [2n, refund(3n, 30n)],
      [3n, refund(3n)],
      [4n, refund(2n)],
    ],
    [
      "2 consume 40: 40 of #1",
      "3 revoke 60 of lot 1, 40 uncovered: 60 of #1",
      "4 refund 0 of entry 3, 30 uncovered",
      "5 refund 60 of entry 3, 10 uncovered: 60 of #1",
      "6 refund 40 of entry 2: 40 of #1",
    ],
    { balance: 100n, totalRevoked: 60n },
  ],
  [
    "a refund of a revocation gives back what its claim has taken since",
    ["#1: 100 of 100"],
    [
      [0n, consume(40n)],
      [1n, revokeLot(1n, undefined, "take")],
      [2n, refund(2n, 30n)],
      [3n, refund(3n)],
    ],
    [
      "2 consume 40: 40 of #1",
      "3 revoke 60 of lot 1, 40 uncovered: 60 of #1",
      "4 refund 30 of entry 2: 30 of #1",
      "5 revoke 30 of lot 1 for its claim: 30 of #1",
      "6 refund 90 of entry 3, 10 uncovered: 90 of #1",
    ],
    { balance: 90n, totalRevoked: 90n },
  ],
  [
    "the claim of another revocation takes what a refund of one gives back",
    ["#1: 100 of 100"],
    [
      [0n, revokeLot(1n, 70n)],
      [1n, consume(30n)],
      [2n, revokeLot(1n, undefined, "take")],
      [3n, refund(2n)],
    ],
    [
      "2 revoke 70 of lot 1: 70 of #1",
      "3 consume 30: 30 of #1",
      "4 revoke 0 of lot 1, 30 uncovered",
      "5 refund 70 of entry 2: 70 of #1",
      "6 revoke 30 of lot 1 for its claim: 30 of #1",
    ],
    { balance: 40n, totalRevoked: 100n },
  ],
  [
    "a refund of a revocation forgives first what it made the account owe",
    ["#1: 20 of 20"],
    [
      [0n, revoke(50n, "owe")],
      [1n, refund(2n, 30n)],
      [2n, refund(2n)],
    ],
    [
      "2 revoke 50, 30 owed: 20 of #1",
      "3 refund 30 of entry 2, 30 repaid",
      "4 refund 20 of entry 2: 20 of #1",
    ],
    { balance: 20n, totalRevoked: 50n },
  ],
  [
    "what was revoked and reissued is for the services that all its lots were for",
    ["#1: 5 of 5, expires +5, for script tts", "#2: 5 of 5, expires +5, for image tts"],
    [
      [0n, revoke(10n)],
      [9n, refund(3n, undefined, 100n)],
    ],
    ["3 revoke 10: 5 of #1, 5 of #2", "4 refund 10 of entry 3, a new lot until +109: 10 of #4"],
    { balance: 10n, totalRevoked: 10n },
  ],
];

test.each(cases)("%s", (_, lots, steps, journal, left) => {
  const played = play(withCreditLine(30n, stateOf(lots)), steps);
  expect(played.journal).toEqual(journal);
  const { balance, debt, frozen, totalRevoked } = played.state.account;
  expect({ balance, debt, frozen, totalRevoked }).toEqual({ debt: 0n, frozen: 0n, ...left });
});

describe("a revocation is refused", () => {
  const lots = ["#1: 30 of 100", "#2: 20 of 20, for tts"];
  const refusals: [string, Mutation, object][] = [
    [
      "of more points than there are",
      revoke(51n),
      { reason: "INSUFFICIENT_POINTS", balance: 50n, usable: 50n, required: 51n, shortfall: 1n },
    ],
    [
      "of more than its lot still has",
      revokeLot(1n),
      { reason: "INSUFFICIENT_POINTS", balance: 50n, usable: 30n, required: 100n, shortfall: 70n },
    ],
    ["of a lot that there is not", revokeLot(9n), { reason: "LOT_NOT_FOUND", lot: 9n }],
    [
      "of more of a lot than it was",
      revokeLot(1n, 101n, "owe"),
      { reason: "REVOKE_EXCEEDS_LOT", lot: 1n, revocable: 100n, required: 101n },
    ],
    [
      "by a caller who may not move so many",
      { ...revoke(40n), maxPoints: 39n },
      { reason: "PERMISSION_DENIED", maxPoints: 39n, required: 40n },
    ],
    [
      "by a caller who may not move a whole lot, though it is not there",
      { ...revokeLot(1n, undefined, "take"), maxPoints: 39n },
      { reason: "PERMISSION_DENIED", maxPoints: 39n, required: 100n },
    ],
  ];
  test.each(refusals)("%s", (_, command, refused) => {
    expect(outcome(stateOf(lots), command)).toEqual({ refused });
  });

  test("of a lot of which all is revoked, whatever was refunded of that", () => {
    const { state } = play(stateOf(["#1: 30 of 30"]), [
      [0n, revokeLot(1n)],
      [0n, refund(2n)],
    ]);
    expect(outcome(state, revokeLot(1n))).toEqual({
      refused: { reason: "REVOKE_EXCEEDS_LOT", lot: 1n, revocable: 0n, required: 0n },
    });
  });

  test.each([revoke(1_001n, "owe"), revokeLot(1n, 1_001n, "owe")])(
    "that would owe more than an account can take in",
    (command) => {
      const state = stateOf([`#1: 0 of ${MAX_TOTAL - 1_000n}`]);
      expect(outcome(state, command)).toEqual({
        refused: { reason: "TOTAL_TOO_LARGE", total: "debt", limit: MAX_TOTAL },
      });
    },
  );

  test("nor can what a claim took be refunded by itself", () => {
    const { state } = play(stateOf(["#1: 30 of 30"]), [
      [0n, freeze(30n)],
      [0n, revokeLot(1n, undefined, "take")],
      [0n, release(2n)],
    ]);
    expect(outcome(state, refund(5n))).toEqual({
      refused: { reason: "ENTRY_NOT_REFUNDABLE", sequence: 5n, kind: "revoke" },
    });
  });

  test("nor can points of lots for other services become one new lot", () => {
    const { state } = play(undefined, [
      [0n, rechargeFor(["tts"], 5n, until(5n))],
      [0n, rechargeFor(["image"], 5n, until(5n))],
      [0n, revoke(10n)],
    ]);
    const { refused } = decideAt(state, refund(3n, undefined, 100n), NOW + 9n);
    expect(refused).toMatchObject({ reason: "FIELD_INVALID", field: "reissue_ttl" });
    expect(play(state, [[9n, refund(3n)]]).journal).toEqual([
      "4 refund 10 of entry 3: 5 of #2, 5 of #1",
      "5 expire 10: 5 of #1, 5 of #2",
    ]);
  });
});
