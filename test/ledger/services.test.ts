import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { commonServices, compareBurnOrder, type Lot } from "../../src/ledger/lot.ts";
import { usableFor } from "../../src/ledger/usable.ts";
import {
  consume,
  expire,
  freeze,
  OWE,
  rechargeFor,
  refund,
  release,
  settle,
  TAKE,
  usageOf,
} from "../support/commands.ts";
import {
  decideAt,
  lines,
  NOW,
  outcome,
  play,
  stateOf,
  type Step,
  withCreditLine,
} from "../support/statement.ts";

// Lots that only some services may take, beside others that anything may.

describe("a charge takes", () => {
  const cases: [title: string, lots: string[], command: Command, entry: string][] = [
    [
      "lots with its service before others, within a priority",
      ["#1: 9 of 9, expires +1", "#2: 9 of 9, for tts"],
      consume(usageOf("tts", 10n)),
      "3 consume 10: 9 of #2, 1 of #1",
    ],
    [
      "a lower priority before lots with its service",
      ["#1: 9 of 9, priority 2, for tts", "#2: 9 of 9, priority 1"],
      consume(usageOf("tts", 10n)),
      "3 consume 10: 9 of #2, 1 of #1",
    ],
    [
      "what expires first of lots with its service, then the oldest",
      ["#1: 2 of 2, for tts", "#2: 2 of 2, for tts", "#3: 2 of 2, expires +9, for script tts"],
      consume(usageOf("tts", 5n)),
      "4 consume 5: 2 of #3, 2 of #1, 1 of #2",
    ],
    [
      "nothing of lots for other services",
      ["#1: 9 of 9, expires +1, for script", "#2: 9 of 9, for tts image", "#3: 9 of 9"],
      consume(usageOf("tts", 10n)),
      "4 consume 10: 9 of #2, 1 of #3",
    ],
    [
      "nothing of lots whose services have names that begin like its own",
      ["#1: 9 of 9, for tts-1 tt", "#2: 9 of 9"],
      consume(usageOf("tts", 3n)),
      "3 consume 3: 3 of #2",
    ],
    [
      "only lots without services, if points are named",
      ["#1: 9 of 9, for tts", "#2: 9 of 9"],
      consume(3n),
      "3 consume 3: 3 of #2",
    ],
    [
      "the same for a hold",
      ["#1: 9 of 9, for script", "#2: 1 of 1, for tts", "#3: 9 of 9"],
      freeze(usageOf("tts", 3n)),
      "4 freeze 3 until +50: 1 of #2, 2 of #3",
    ],
    [
      "of any lot, if it is an expiry of points",
      ["#1: 9 of 9", "#2: 2 of 2, for tts", "#3: 3 of 3, expires +9"],
      expire({ kind: "points", points: 7n }),
      "4 expire 7: 2 of #2, 3 of #3, 2 of #1",
    ],
    [
      "of a lot for other services, if it is the expiry of that lot",
      ["#1: 9 of 9, for tts"],
      expire({ kind: "lot", lot: 1n }),
      "2 expire 9: 9 of #1",
    ],
  ];
  test.each(cases)("%s", (_, lots, command, entry) => {
    expect(outcome(stateOf(lots), command).answer).toBe(entry);
  });
});

describe("too little is refused, and what may be used is said, for", () => {
  const lots = ["#1: 20 of 20, for tts", "#2: 30 of 30, for script tts", "#3: 50 of 50"];
  const cases: [title: string, command: Command, usable: bigint, required: bigint][] = [
    ["points", consume(51n), 50n, 51n],
    ["usage of a service that some lots are for", consume(usageOf("script", 81n)), 80n, 81n],
    ["usage of a service that all lots are for", consume(usageOf("tts", 101n)), 100n, 101n],
    ["usage of a service that no lot is for", consume(usageOf("image", 51n)), 50n, 51n],
    ["a hold", freeze(usageOf("script", 81n)), 80n, 81n],
    ["an expiry of points", expire({ kind: "points", points: 101n }), 100n, 101n],
  ];
  test.each(cases)("%s", (_, command, usable, required) => {
    const refused = { reason: "INSUFFICIENT_POINTS", balance: 100n, usable, required };
    const { refused: is, state } = decideAt(stateOf(lots), command, NOW);
    expect(is).toEqual({ ...refused, shortfall: required - usable });
    expect(lines(state!)).toEqual(lots);
  });

  test("what was not loaded", () => {
    const state = stateOf(lots);
    const scopedOf = new Map([["tts", 7n]]);
    const others = { remaining: 40n, frozen: 0n, count: 3, scoped: 10n, scopedOf };
    const account = { ...state.account, balance: 140n, totalRecharged: 140n };
    const whole = { ...state, account, otherLots: others };
    const usable = (service: string | null | undefined) => usableFor(whole, service);
    expect([usable(null), usable("tts"), usable("image"), usable(undefined)]).toEqual([
      80n,
      137n,
      80n,
      140n,
    ]);
  });
});

describe("points keep their services and category", () => {
  const made = rechargeFor(["tts", "script"], 10n, { kind: "never" }, { category: "gift" });
  const lot = (remaining: number, aside = "") =>
    `#1: ${remaining} of 10${aside}, a gift, for tts script`;
  const cases: [title: string, steps: Step[], lots: string[]][] = [
    ["in a hold", [[1n, freeze(usageOf("tts", 4n))]], [lot(6, ", 4 frozen")]],
    [
      "released from it",
      [
        [1n, freeze(usageOf("tts", 4n))],
        [2n, release(2n)],
      ],
      [lot(10)],
    ],
    [
      "settled in part",
      [
        [1n, freeze(usageOf("tts", 4n))],
        [2n, settle(2n, 1n)],
      ],
      [lot(9)],
    ],
    [
      "refunded",
      [
        [1n, consume(usageOf("tts", 10n))],
        [2n, refund(2n)],
      ],
      [lot(10)],
    ],
  ];
  test.each(cases)("%s", (_, steps, lots) => {
    expect(play(undefined, [[0n, made], ...steps]).lots).toEqual(lots);
  });
});

describe("a refund into a new lot makes no point usable by more services, of", () => {
  const cases: [title: string, lots: string[], made: string][] = [
    [
      "a lot with services",
      ["#1: 5 of 5, expires +9, a gift, for tts script"],
      "a gift, for tts script",
    ],
    [
      "lots with different services: those that all have",
      ["#1: 5 of 5, expires +8, for image tts script", "#2: 5 of 5, expires +9, for script tts"],
      "for script tts",
    ],
    [
      "a lot with services and one without",
      ["#1: 5 of 5, expires +8, for tts script", "#2: 5 of 5, expires +9"],
      "for tts script",
    ],
    [
      "lots of different categories",
      ["#1: 5 of 5, expires +8, a gift, for tts", "#2: 5 of 5, expires +9, a bonus, for tts"],
      "for tts",
    ],
    [
      "lots of the same category",
      ["#1: 5 of 5, expires +8, a gift", "#2: 5 of 5, expires +9, a gift, for tts"],
      "a gift, for tts",
    ],
  ];
  test.each(cases)("%s", (_, lots, made) => {
    const before = stateOf(lots);
    const all = BigInt(lots.length * 5);
    const spent = BigInt(lots.length + 1);
    const { state } = play(before, [
      [1n, consume(usageOf("tts", all))],
      [20n, refund(spent, undefined, 100n)],
    ]);
    expect(lines(state).at(-1)).toBe(`#${spent + 1n}: ${all} of ${all}, expires +120, ${made}`);
  });

  test("none, if the lots share none: only a revocation takes of such", () => {
    const { lots } = stateOf(["#1: 5 of 5, for tts", "#2: 5 of 5, for script"]);
    expect(commonServices(lots)).toBeUndefined();
  });
});

describe("points for some services repay no debt:", () => {
  const onCredit = (lots: string[]) => withCreditLine(100n, stateOf(lots));
  const owes = (lots: string[]) => play(onCredit(lots), [[0n, consume(10n, OWE)]]).state;

  test("a charge without a service owes, though there are points for a service", () => {
    const { state, entry } = play(onCredit(["#1: 9 of 9, for tts", "#2: 3 of 3"]), [
      [0n, consume(10n, OWE)],
    ]);
    expect(entry).toMatchObject({ points: 10n, owed: 7n });
    expect(state.account).toMatchObject({ balance: 9n, debt: 7n });
  });

  test("a charge that takes what there is takes what its service may", () => {
    const lots = ["#1: 9 of 9, for tts", "#2: 3 of 3", "#3: 4 of 4, for script"];
    const { entry } = play(stateOf(lots), [[0n, consume(usageOf("tts", 20n), TAKE)]]);
    expect(entry).toMatchObject({ points: 12n, uncovered: 8n });
  });

  const back: [title: string, steps: Step[], debt: bigint, balance: bigint][] = [
    ["a recharge for a service", [[1n, rechargeFor(["tts"], 4n)]], 10n, 13n],
    ["a recharge for anything does", [[1n, rechargeFor([], 4n)]], 6n, 9n],
    [
      "the release of a hold",
      [
        [1n, freeze(usageOf("tts", 4n))],
        [2n, release(3n)],
      ],
      10n,
      9n,
    ],
    [
      "a refund",
      [
        [1n, consume(usageOf("tts", 4n))],
        [2n, refund(3n)],
      ],
      10n,
      9n,
    ],
    [
      "a refund into a new lot",
      [
        [1n, consume(usageOf("tts", 4n))],
        [200n, refund(3n, undefined, 100n)],
      ],
      10n,
      4n,
    ],
  ];
  test.each(back)("%s", (_, steps, debt, balance) => {
    const { state } = play(owes(["#1: 9 of 9, expires +150, for tts"]), steps);
    expect(state.account).toMatchObject({ debt, balance });
  });
});

test("a hold's points are not spent for a service that may not take them", () => {
  const { state } = play(stateOf(["#1: 9 of 9, for tts", "#2: 9 of 9, for script"]), [
    [0n, freeze(usageOf("tts", 4n))],
  ]);
  for (const cost of [usageOf("script", 4n), usageOf("script", 6n)]) {
    expect(decideAt(state, settle(3n, cost, TAKE), NOW).refused).toMatchObject({
      reason: "FIELD_INVALID",
      field: "usage.service",
    });
  }
  expect(play(state, [[0n, settle(3n, 4n)]]).answer).toBe("4 settle 4 of hold 3: 4 of #1");
  expect(play(state, [[0n, settle(3n, usageOf("tts", 6n), TAKE)]]).answer).toBe(
    "4 settle 6 of hold 3, 2 beyond it: 4 of #1, 2 of #1",
  );
});

const someLots: fc.Arbitrary<Lot> = fc.record({
  number: fc.bigInt({ min: 1n, max: 5n }),
  points: fc.constant(1n),
  remaining: fc.constant(1n),
  frozen: fc.constant(0n),
  priority: fc.integer({ min: 0, max: 1 }),
  expireTime: fc.option(fc.bigInt({ min: 1n, max: 2n })),
  category: fc.constant(""),
  services: fc.constantFrom([], ["tts"], ["script"]),
});

test("burn order is one order of all lots", () => {
  const keyOf = ({ priority, services, expireTime, number }: Lot) =>
    BigInt(priority) * 1_000n +
    (services.length > 0 ? 0n : 100n) +
    (expireTime ?? 9n) * 10n +
    number;
  fc.assert(
    fc.property(someLots, someLots, (a, b) => {
      expect(Math.sign(compareBurnOrder(a, b))).toBe(Math.sign(Number(keyOf(a) - keyOf(b))));
    }),
  );
});
