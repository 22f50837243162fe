import { describe, expect, test } from "vitest";
import {
  consume,
  extendHold,
  freeze,
  OWE,
  recharge,
  refund,
  release,
  settle,
  settlePart,
  TAKE,
  usageOf,
} from "../support/commands.ts";
import { decideAt, NOW, play, stateOf, type Step, withCreditLine } from "../support/statement.ts";

// A hold of 7 that took 4 of lot 2 and 3 of lot 1, which have 9 and 4.
const LOTS = ["#1: 9 of 9", "#2: 4 of 4, expires +900"];

describe("Settle with keep_open", () => {
  const cases: [title: string, steps: Step[], journal: string[], hold: string, lots: string[]][] = [
    [
      "spends parts in the order in which the points were set aside",
      [
        [1n, settlePart(3n, 3n)],
        [2n, settlePart(3n, 2n)],
      ],
      [
        "4 settle 3 of hold 3, kept open: 3 of #2",
        "5 settle 2 of hold 3, kept open: 1 of #2, 1 of #1",
      ],
      "#3: 7 open until +50, 5 spent",
      ["#1: 6 of 9, 2 frozen", "#2: 0 of 4, expires +900"],
    ],
    [
      "keeps a hold of nothing open, which can be extended",
      [
        [1n, settlePart(3n)],
        [2n, settlePart(3n)],
        [3n, extendHold(3n, { more: 2n })],
      ],
      [
        "4 settle 7 of hold 3, kept open: 4 of #2, 3 of #1",
        "5 settle 0 of hold 3, kept open",
        "6 extend 2 for hold 3 until +50: 2 of #1",
      ],
      "#3: 9 open until +50, 7 spent",
      ["#1: 4 of 9, 2 frozen", "#2: 0 of 4, expires +900"],
    ],
    [
      "is followed by a last part, and the rest goes back",
      [
        [1n, settlePart(3n, 3n)],
        [2n, settle(3n, 2n)],
      ],
      [
        "4 settle 3 of hold 3, kept open: 3 of #2",
        "5 settle 2 of hold 3, 2 returned: 1 of #2, 1 of #1",
      ],
      "#3: 7 settled for 5",
      ["#1: 8 of 9", "#2: 0 of 4, expires +900"],
    ],
    [
      "is followed by all of the rest",
      [
        [1n, settlePart(3n, 3n)],
        [2n, settle(3n)],
      ],
      ["4 settle 3 of hold 3, kept open: 3 of #2", "5 settle 4 of hold 3: 1 of #2, 3 of #1"],
      "#3: 7 settled for 7",
      ["#1: 6 of 9", "#2: 0 of 4, expires +900"],
    ],
    [
      "is followed by a release of the rest",
      [
        [1n, settlePart(3n, 5n)],
        [2n, release(3n)],
      ],
      ["4 settle 5 of hold 3, kept open: 4 of #2, 1 of #1", "5 release 2 of hold 3: 2 of #1"],
      "#3: 7 released, 5 spent",
      ["#1: 8 of 9", "#2: 0 of 4, expires +900"],
    ],
    [
      "is followed by a release of nothing",
      [
        [1n, settlePart(3n)],
        [2n, release(3n)],
      ],
      ["4 settle 7 of hold 3, kept open: 4 of #2, 3 of #1", "5 release 0 of hold 3"],
      "#3: 7 released, 7 spent",
      ["#1: 6 of 9", "#2: 0 of 4, expires +900"],
    ],
    [
      "is followed by the hold's end, of which nothing was left",
      [
        [1n, settlePart(3n)],
        [50n, consume(1n)],
      ],
      [
        "4 settle 7 of hold 3, kept open: 4 of #2, 3 of #1",
        "5 release 0 of hold 3",
        "6 consume 1: 1 of #1",
      ],
      "#3: 7 expired, 7 spent",
      ["#1: 5 of 9", "#2: 0 of 4, expires +900"],
    ],
    [
      "goes on with the balance beyond the hold, part by part",
      [
        [1n, settlePart(3n, 9n, TAKE)],
        [2n, settlePart(3n, 9n, TAKE)],
      ],
      [
        "4 settle 9 of hold 3, kept open, 2 beyond it: 4 of #2, 3 of #1, 2 of #1",
        "5 settle 4 of hold 3, kept open, 4 beyond it, 5 uncovered: 4 of #1",
      ],
      "#3: 7 open until +50, 7 spent",
      ["#1: 0 of 9", "#2: 0 of 4, expires +900"],
    ],
    [
      "owes what neither the hold nor the balance has",
      [[1n, settlePart(3n, 15n, OWE)]],
      ["4 settle 15 of hold 3, kept open, 6 beyond it, 2 owed: 4 of #2, 3 of #1, 6 of #1"],
      "#3: 7 open until +50, 7 spent",
      ["#1: 0 of 9", "#2: 0 of 4, expires +900"],
    ],
  ];
  test.each(cases)("%s", (_, steps, journal, hold, lots) => {
    const played = play(withCreditLine(2n, stateOf(LOTS)), [[0n, freeze(7n)], ...steps]);
    expect(played.journal.slice(1)).toEqual(journal);
    expect(played.holds).toEqual([hold]);
    expect(played.lots).toEqual(lots);
  });

  test("leaves each part to be refunded by itself", () => {
    const { journal, state, lots } = play(stateOf(LOTS), [
      [0n, freeze(7n)],
      [1n, settlePart(3n, 3n)],
      [2n, settlePart(3n, 2n)],
      [3n, refund(4n, 2n)],
      [4n, refund(5n)],
      [5n, refund(4n)],
    ]);
    expect(journal.slice(3)).toEqual([
      "6 refund 2 of entry 4: 2 of #2",
      "7 refund 2 of entry 5: 1 of #1, 1 of #2",
      "8 refund 1 of entry 4: 1 of #2",
    ]);
    expect(lots).toEqual(["#1: 7 of 9, 2 frozen", "#2: 4 of 4, expires +900"]);
    const { totalConsumed, totalRefunded, frozen } = state.account;
    expect({ totalConsumed, totalRefunded, frozen }).toEqual({
      totalConsumed: 5n,
      totalRefunded: 5n,
      frozen: 2n,
    });
    expect(decideAt(state, refund(4n, 1n), NOW + 6n).refused).toMatchObject({
      reason: "REFUND_EXCEEDS_ENTRY",
      refundable: 0n,
    });
  });

  test("repays no debt by what the hold keeps, and the release of the rest does", () => {
    const { journal, state } = play(withCreditLine(3n, stateOf(["#1: 10 of 10"])), [
      [0n, freeze(10n)],
      [1n, consume(3n, OWE)],
      [2n, settlePart(2n, 4n)],
      [3n, release(2n)],
    ]);
    expect(journal.slice(1)).toEqual([
      "3 consume 3, 3 owed",
      "4 settle 4 of hold 2, kept open: 4 of #1",
      "5 release 6 of hold 2, 3 repaid: 3 of #1",
    ]);
    expect(state.account).toMatchObject({ balance: 3n, debt: 0n });
  });

  test("lets the lots of a part expire with the rest when that comes back past their time", () => {
    const { journal } = play(stateOf(["#1: 9 of 9, expires +5"]), [
      [0n, freeze(7n)],
      [6n, settlePart(2n, 3n)],
      [7n, release(2n)],
    ]);
    expect(journal).toEqual([
      "2 freeze 7 until +50: 7 of #1",
      "3 expire 2: 2 of #1",
      "4 settle 3 of hold 2, kept open: 3 of #1",
      "5 release 4 of hold 2: 4 of #1",
      "6 expire 4: 4 of #1",
    ]);
  });
});

describe("Settle with keep_open is refused", () => {
  const { state } = play(stateOf(["#1: 99 of 99"]), [
    [0n, freeze(usageOf("tts", 7n))],
    [0n, settlePart(2n, 4n)],
    [0n, freeze(1n)],
    [0n, settlePart(4n)],
    [0n, settle(4n)],
    [0n, freeze(2n, 1n)],
    [0n, settlePart(7n, 1n)],
    [0n, recharge(1n)],
  ]);
  test.each<[string, Parameters<typeof settlePart>, object]>([
    [
      "beyond what the hold still has",
      [2n, 4n],
      { reason: "HOLD_EXCEEDED", held: 3n, required: 4n },
    ],
    ["of a closed hold", [4n, 1n], { reason: "HOLD_CLOSED", hold: 4n, status: "settled" }],
    ["past the hold's time", [7n, 1n], { reason: "HOLD_EXPIRED", hold: 7n }],
    [
      "by usage of another service than the hold's, before it is found to be too much",
      [2n, usageOf("script", 4n)],
      {
        reason: "FIELD_INVALID",
        field: "usage.service",
        description: "must be tts, for whose use the points were set aside",
      },
    ],
  ])("%s", (_, args, refused) => {
    expect(decideAt(state, settlePart(...args), NOW + 2n).refused).toEqual(refused);
  });
});
