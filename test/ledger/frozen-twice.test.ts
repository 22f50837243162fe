import { expect, test } from "vitest";
import {
  consume,
  extendHold,
  freeze,
  OWE,
  rechargeFor,
  recharge,
  refund,
  release,
  settle,
  settlePart,
  TAKE,
  usageOf,
} from "../support/commands.ts";
import { play, stateOf, type Step, withCreditLine } from "../support/statement.ts";

// A hold that set points of one lot aside twice: 3 by its FREEZE, 3 more by an EXTEND.

const TWICE: readonly Step[] = [
  [0n, freeze(3n)],
  [1n, extendHold(2n, { more: 3n })],
];

test.each<[title: string, lot: string, steps: readonly Step[], journal: string[], after: string[]]>(
  [
    [
      "come back by a release",
      "#1: 9 of 9",
      [[2n, release(2n)]],
      ["4 release 6 of hold 2: 6 of #1"],
      ["#1: 9 of 9"],
    ],
    [
      "come back by a release, and expire if the lot's time has come",
      "#1: 9 of 9, expires +5",
      [[6n, release(2n)]],
      ["4 expire 3: 3 of #1", "5 release 6 of hold 2: 6 of #1", "6 expire 6: 6 of #1"],
      ["#1: 0 of 9, expires +5"],
    ],
    [
      "repay a debt once when they come back",
      "#1: 9 of 9",
      [
        [2n, consume(7n, OWE)],
        [3n, release(2n)],
      ],
      ["4 consume 7, 4 owed: 3 of #1", "5 release 6 of hold 2, 4 repaid: 2 of #1"],
      ["#1: 2 of 9"],
    ],
    [
      "repay a debt once when the hold ends",
      "#1: 9 of 9",
      [
        [2n, consume(7n, OWE)],
        [50n, consume(1n)],
      ],
      [
        "4 consume 7, 4 owed: 3 of #1",
        "5 release 6 of hold 2, 4 repaid: 2 of #1",
        "6 consume 1: 1 of #1",
      ],
      ["#1: 1 of 9"],
    ],
    [
      "are settled, and come back by a refund",
      "#1: 9 of 9",
      [
        [2n, settle(2n, 5n)],
        [3n, refund(4n, 4n)],
        [4n, refund(4n)],
      ],
      [
        "4 settle 5 of hold 2, 1 returned: 5 of #1",
        "5 refund 4 of entry 4: 4 of #1",
        "6 refund 1 of entry 4: 1 of #1",
      ],
      ["#1: 9 of 9"],
    ],
    [
      "are settled with more of the same lot from the balance, and come back by one refund",
      "#1: 9 of 9",
      [
        [2n, settlePart(2n, 8n, TAKE)],
        [3n, refund(4n)],
        [4n, release(2n)],
      ],
      [
        "4 settle 8 of hold 2, kept open, 2 beyond it: 6 of #1, 2 of #1",
        "5 refund 8 of entry 4: 8 of #1",
        "6 release 0 of hold 2",
      ],
      ["#1: 9 of 9"],
    ],
    [
      "are owed in part, and a refund forgives that first",
      "#1: 9 of 9",
      [
        [2n, settlePart(2n, 12n, OWE)],
        [3n, refund(4n, 5n)],
      ],
      [
        "4 settle 12 of hold 2, kept open, 3 beyond it, 3 owed: 6 of #1, 3 of #1",
        "5 refund 5 of entry 4, 3 repaid: 2 of #1",
      ],
      ["#1: 2 of 9"],
    ],
  ],
)("points that are frozen twice %s", (_, lot, steps, journal, after) => {
  const played = play(withCreditLine(9n, stateOf([lot])), [...TWICE, ...steps]);
  expect(played.journal.slice(2)).toEqual(journal);
  expect(played.lots).toEqual(after);
});

test("points for some services that are frozen twice repay nothing when they come back", () => {
  const use = (points: bigint) => usageOf("tts", points);
  const { journal, lots, state } = play(withCreditLine(3n, stateOf([])), [
    [0n, rechargeFor(["tts"], 9n)],
    [0n, recharge(1n)],
    [0n, freeze(use(3n))],
    [1n, extendHold(3n, { more: use(3n) })],
    [2n, consume(4n, OWE)],
    [3n, release(3n)],
  ]);
  expect(journal.slice(2)).toEqual([
    "3 freeze 3 until +50: 3 of #1",
    "4 extend 3 for hold 3 until +50: 3 of #1",
    "5 consume 4, 3 owed: 1 of #2",
    "6 release 6 of hold 3: 6 of #1",
  ]);
  expect(lots).toEqual(["#1: 9 of 9, for tts", "#2: 0 of 1"]);
  expect(state.account.debt).toBe(3n);
});
