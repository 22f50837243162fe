import { describe, expect, test } from "vitest";
import { MAX_TOTAL } from "../../src/ledger/account.ts";
import type { Mutation } from "../../src/ledger/command.ts";
import { LAST_INSTANT } from "../../src/ledger/time.ts";
import {
  consume,
  expire,
  freeze,
  freezeUntil,
  OWE,
  recharge,
  refund,
  release,
  settle,
  TAKE,
} from "../support/commands.ts";
import { NOW, outcome, play, stateOf, type Step, withCreditLine } from "../support/statement.ts";

const until = (offset: bigint) => ({ kind: "at", time: NOW + offset }) as const;

type Case = [title: string, lots: string[], steps: Step[], journal: string[], left: Left];
type Left = { balance: bigint; debt: bigint; frozen?: bigint };

const cases: Case[] = [
  [
    "points that are reissued and repay debt come back with the life that they would have had",
    ["#1: 40 of 40, expires +10"],
    [
      [1n, consume(40n)],
      [20n, consume(40n, OWE)],
      [21n, refund(2n, undefined, 100n)],
      [22n, refund(3n)],
    ],
    [
      "2 consume 40: 40 of #1",
      "3 consume 40, 40 owed",
      "4 refund 40 of entry 2, a new lot until +121, 40 repaid",
      "5 refund 40 of entry 3, a new lot until +121: 40 of #5",
    ],
    { balance: 40n, debt: 0n },
  ],
  [
    "a Consume that takes what there is spends it, and says what is uncovered",
    ["#1: 30 of 30"],
    [[0n, consume(50n, TAKE)]],
    ["2 consume 30, 20 uncovered: 30 of #1"],
    { balance: 0n, debt: 0n },
  ],
  [
    "one on an empty account spends nothing",
    [],
    [[0n, consume(50n, TAKE)]],
    ["1 consume 0, 50 uncovered"],
    { balance: 0n, debt: 0n },
  ],
  [
    "a Consume that may owe takes all there is, and owes the rest",
    ["#1: 30 of 30"],
    [[0n, consume(50n, OWE)]],
    ["2 consume 50, 20 owed: 30 of #1"],
    { balance: 0n, debt: 20n },
  ],
  [
    "a Recharge repays debt first",
    [],
    [
      [0n, consume(50n, OWE)],
      [1n, recharge(80n)],
    ],
    ["1 consume 50, 50 owed", "2 recharge 80, 50 repaid: 30 of #2"],
    { balance: 30n, debt: 0n },
  ],
  [
    "a Recharge of less than the debt leaves no lot",
    [],
    [
      [0n, consume(50n, OWE)],
      [1n, recharge(20n)],
    ],
    ["1 consume 50, 50 owed", "2 recharge 20, 20 repaid"],
    { balance: 0n, debt: 30n },
  ],
  [
    "a Settle beyond its hold takes the balance, and leaves the rest uncovered",
    ["#1: 100 of 100"],
    [
      [0n, freeze(80n)],
      [1n, settle(2n, 120n, TAKE)],
    ],
    [
      "2 freeze 80 until +50: 80 of #1",
      "3 settle 100 of hold 2, 20 beyond it, 20 uncovered: 80 of #1, 20 of #1",
    ],
    { balance: 0n, debt: 0n },
  ],
  [
    "a Settle beyond its hold owes up to the credit line, and is never refused",
    ["#1: 100 of 100"],
    [
      [0n, freeze(80n)],
      [1n, settle(2n, 190n, OWE)],
    ],
    [
      "2 freeze 80 until +50: 80 of #1",
      "3 settle 150 of hold 2, 20 beyond it, 50 owed, 40 uncovered: 80 of #1, 20 of #1",
    ],
    { balance: 0n, debt: 50n },
  ],
  [
    "the rest of a hold repays debt before it goes to the balance",
    ["#1: 30 of 30"],
    [
      [0n, freeze(30n)],
      [1n, consume(20n, OWE)],
      [2n, settle(2n, 5n)],
    ],
    [
      "2 freeze 30 until +50: 30 of #1",
      "3 consume 20, 20 owed",
      "4 settle 5 of hold 2, 25 returned, 20 repaid: 5 of #1",
    ],
    { balance: 5n, debt: 0n },
  ],
  [
    "a Release repays debt, but not from lots past their time, which expire",
    ["#1: 10 of 10, expires +5", "#2: 30 of 30"],
    [
      [0n, freeze(40n)],
      [1n, consume(20n, OWE)],
      [6n, release(3n)],
    ],
    [
      "3 freeze 40 until +50: 10 of #1, 30 of #2",
      "4 consume 20, 20 owed",
      "5 release 40 of hold 3, 20 repaid: 10 of #1, 10 of #2",
      "6 expire 10: 10 of #1",
    ],
    { balance: 10n, debt: 0n },
  ],
  [
    "a hold that ends by itself repays debt at its instant",
    ["#1: 30 of 30"],
    [
      [0n, freezeUntil(30n, NOW + 4n)],
      [1n, consume(20n, OWE)],
      [9n, expire({ kind: "due" })],
    ],
    [
      "2 freeze 30 until +4: 30 of #1",
      "3 consume 20, 20 owed",
      "4 release 30 of hold 2, 20 repaid: 10 of #1",
    ],
    { balance: 10n, debt: 0n },
  ],
  [
    "a Refund lowers the debt first, and then goes to the lots",
    ["#1: 30 of 30"],
    [
      [0n, consume(50n, OWE)],
      [1n, refund(2n, 15n)],
      [2n, refund(2n)],
    ],
    [
      "2 consume 50, 20 owed: 30 of #1",
      "3 refund 15 of entry 2, 15 repaid",
      "4 refund 35 of entry 2, 5 repaid: 30 of #1",
    ],
    { balance: 30n, debt: 0n },
  ],
  [
    "what was owed and repaid since becomes a lot as long as the longest of those that repaid",
    [],
    [
      [0n, consume(50n, OWE)],
      [1n, recharge(30n, until(700n))],
      [2n, recharge(30n, until(900n))],
      [3n, consume(10n)],
      [4n, refund(1n)],
    ],
    [
      "1 consume 50, 50 owed",
      "2 recharge 30, 30 repaid",
      "3 recharge 30, 20 repaid: 10 of #3",
      "4 consume 10: 10 of #3",
      "5 refund 50 of entry 1, a new lot until +900: 50 of #5",
    ],
    { balance: 50n, debt: 0n },
  ],
  [
    "or never expires, if one that never does repaid",
    [],
    [
      [0n, consume(50n, OWE)],
      [1n, recharge(50n)],
      [4n, refund(1n)],
    ],
    ["1 consume 50, 50 owed", "2 recharge 50, 50 repaid", "3 refund 50 of entry 1: 50 of #3"],
    { balance: 50n, debt: 0n },
  ],
  [
    "or lives as long as reissue_ttl says",
    [],
    [
      [0n, consume(50n, OWE)],
      [1n, recharge(50n)],
      [4n, refund(1n, 20n, 100n)],
    ],
    [
      "1 consume 50, 50 owed",
      "2 recharge 50, 50 repaid",
      "3 refund 20 of entry 1, a new lot until +104: 20 of #3",
    ],
    { balance: 20n, debt: 0n },
  ],
  [
    "and is booked as expired at once if that time is over",
    [],
    [
      [0n, consume(50n, OWE)],
      [1n, recharge(50n, until(3n))],
      [9n, refund(1n)],
    ],
    [
      "1 consume 50, 50 owed",
      "2 recharge 50, 50 repaid",
      "3 refund 50 of entry 1, a new lot until +3: 50 of #3",
      "4 expire 50: 50 of #3",
    ],
    { balance: 0n, debt: 0n },
  ],
  [
    "a refund of what lots gave repays another's debt",
    ["#1: 30 of 30"],
    [
      [0n, consume(30n)],
      [1n, consume(20n, OWE)],
      [2n, refund(2n)],
    ],
    [
      "2 consume 30: 30 of #1",
      "3 consume 20, 20 owed",
      "4 refund 30 of entry 2, 20 repaid: 10 of #1",
    ],
    { balance: 10n, debt: 0n },
  ],
  [
    "a lot that a settle took from twice is given back to once",
    ["#1: 100 of 100"],
    [
      [0n, freeze(80n)],
      [1n, settle(2n, 100n, TAKE)],
      [2n, refund(3n)],
    ],
    [
      "2 freeze 80 until +50: 80 of #1",
      "3 settle 100 of hold 2, 20 beyond it: 80 of #1, 20 of #1",
      "4 refund 100 of entry 3: 100 of #1",
    ],
    { balance: 100n, debt: 0n },
  ],
];

test.each(cases)("%s", (_, lots, steps, journal, left) => {
  const played = play(withCreditLine(50n, stateOf(lots)), steps);
  expect(played.journal).toEqual(journal);
  expect(played.state.account).toMatchObject({ frozen: 0n, ...left });
});

describe("is refused", () => {
  test.each<[title: string, creditLine: bigint, command: Mutation, refused: object]>([
    [
      "a Consume beyond the credit line",
      20n,
      consume(51n, OWE),
      { reason: "INSUFFICIENT_POINTS", balance: 30n, usable: 30n, required: 51n, shortfall: 1n },
    ],
    [
      "a Consume that may owe where the credit line is 0",
      0n,
      consume(31n, OWE),
      { reason: "INSUFFICIENT_POINTS", balance: 30n, usable: 30n, required: 31n, shortfall: 1n },
    ],
  ])("%s", (_, creditLine, command, refused) => {
    const state = withCreditLine(creditLine, stateOf(["#1: 30 of 30"]));
    expect(outcome(state, command)).toEqual({ refused });
  });

  test("a Consume that owes more than the credit line has left", () => {
    const { state } = play(withCreditLine(20n, stateOf([])), [[0n, consume(15n, OWE)]]);
    const refused = {
      reason: "INSUFFICIENT_POINTS",
      balance: 0n,
      usable: 0n,
      required: 6n,
      shortfall: 1n,
    };
    expect(outcome(state, consume(6n, OWE))).toEqual({ refused });
    expect(outcome(state, consume(5n, OWE))).toMatchObject({ balance: 0n });
  });
});

test("no debt makes the totals larger than clients can read", () => {
  const state = withCreditLine(1_000n, stateOf([]));
  const full = { ...state.account, totalRecharged: MAX_TOTAL - 5n, totalConsumed: MAX_TOTAL - 5n };
  const before = { ...state, account: full };
  expect(outcome(before, consume(6n, OWE))).toMatchObject({ refused: { shortfall: 1n } });
  expect(outcome(before, consume(5n, OWE))).toMatchObject({ balance: 0n });
});

test("the last instant stands for never", () => {
  const played = play(withCreditLine(5n, stateOf([])), [
    [0n, consume(5n, OWE)],
    [1n, recharge(5n)],
  ]);
  expect(played.state.repaidUntil).toBe(LAST_INSTANT);
});
