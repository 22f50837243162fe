import { describe, expect, test } from "vitest";
import { MAX_POINTS } from "../../src/ledger/account.ts";
import { answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Mutation } from "../../src/ledger/command.ts";
import { HOLD_MAX } from "../../src/ledger/hold.ts";
import {
  consume,
  extendHold,
  FREE,
  freeze,
  NOT_PRICED,
  recharge,
  rechargeFor,
  refund,
  release,
  settlePart,
  usageOf,
} from "../support/commands.ts";
import { NO_REPEATS } from "../support/salts.ts";
import { decideAt, NOW, play, stateOf, type Step } from "../support/statement.ts";

describe("ExtendHold adds", () => {
  // A hold of 6 that took 5 of lot 2 and 1 of lot 1.
  const lots = ["#1: 10 of 10", "#2: 5 of 5, expires +900"];
  const cases: [
    title: string,
    more: Parameters<typeof extendHold>[1],
    entry: string,
    hold: string,
    after: string[],
  ][] = [
    [
      "points of the lots that burn next",
      { more: 3n },
      "4 extend 3 for hold 3 until +50: 3 of #1",
      "#3: 9 open until +50",
      ["#1: 6 of 10, 4 frozen", "#2: 0 of 5, 5 frozen, expires +900"],
    ],
    [
      "all points that there are",
      { more: 9n },
      "4 extend 9 for hold 3 until +50: 9 of #1",
      "#3: 15 open until +50",
      ["#1: 0 of 10, 10 frozen", "#2: 0 of 5, 5 frozen, expires +900"],
    ],
    [
      "time from now on",
      { ttl: 70n },
      "4 extend 0 for hold 3 until +71",
      "#3: 6 open until +71",
      ["#1: 9 of 10, 1 frozen", "#2: 0 of 5, 5 frozen, expires +900"],
    ],
    [
      "nothing by a ttl that ends before the hold does",
      { ttl: 20n },
      "4 extend 0 for hold 3 until +50",
      "#3: 6 open until +50",
      ["#1: 9 of 10, 1 frozen", "#2: 0 of 5, 5 frozen, expires +900"],
    ],
    [
      "time until an instant, and points",
      { more: 1n, time: NOW + 60n },
      "4 extend 1 for hold 3 until +60: 1 of #1",
      "#3: 7 open until +60",
      ["#1: 8 of 10, 2 frozen", "#2: 0 of 5, 5 frozen, expires +900"],
    ],
    [
      "points and the time that it has",
      { more: 1n, time: NOW + 50n },
      "4 extend 1 for hold 3 until +50: 1 of #1",
      "#3: 7 open until +50",
      ["#1: 8 of 10, 2 frozen", "#2: 0 of 5, 5 frozen, expires +900"],
    ],
    [
      "nothing for a free use",
      { more: FREE },
      "4 extend 0 for hold 3 until +50",
      "#3: 6 open until +50",
      ["#1: 9 of 10, 1 frozen", "#2: 0 of 5, 5 frozen, expires +900"],
    ],
    [
      "time up to 30 days from its freeze",
      { ttl: HOLD_MAX - 1n },
      `4 extend 0 for hold 3 until +${HOLD_MAX}`,
      `#3: 6 open until +${HOLD_MAX}`,
      ["#1: 9 of 10, 1 frozen", "#2: 0 of 5, 5 frozen, expires +900"],
    ],
  ];
  test.each(cases)("%s", (_, more, entry, hold, after) => {
    const played = play(stateOf(lots), [
      [0n, freeze(6n)],
      [1n, extendHold(3n, more)],
    ]);
    expect(played.answer).toBe(entry);
    expect(played.holds).toEqual([hold]);
    expect(played.lots).toEqual(after);
    const { balance, frozen, totalConsumed } = played.state.account;
    expect(balance + frozen).toBe(15n);
    expect(totalConsumed).toBe(0n);
  });

  test("points of a lot that the hold has already to those: the lot is in the hold once", () => {
    const { state, journal } = play(stateOf(["#1: 9 of 9, expires +9", "#2: 9 of 9"]), [
      [0n, consume(4n)],
      [0n, freeze(7n)],
      [1n, refund(3n)],
      [2n, extendHold(4n, { more: 5n })],
      [3n, settlePart(4n, 10n)],
    ]);
    expect(journal.slice(1)).toEqual([
      "4 freeze 7 until +50: 5 of #1, 2 of #2",
      "5 refund 4 of entry 3: 4 of #1",
      "6 extend 5 for hold 4 until +50: 4 of #1, 1 of #2",
      "7 settle 10 of hold 4, kept open: 9 of #1, 1 of #2",
    ]);
    expect(state.holds[0]!.allocations).toEqual([{ lot: 2n, points: 2n }]);
  });

  test("what its entry keeps for repeats: the hold after it", () => {
    const { entry } = play(stateOf(["#1: 9 of 9"]), [
      [0n, freeze(usageOf("tts", 5n))],
      [1n, settlePart(2n, 2n)],
      [2n, extendHold(2n, { more: 4n })],
    ]);
    const allocations = [{ lot: 1n, points: 7n }];
    expect(entry!.holdAfter).toEqual({ points: 9n, settled: 2n, service: "tts", allocations });
  });

  test("points of lots for its service alone, by usage of that service", () => {
    const { answer: entry } = play(undefined, [
      [0n, recharge(9n)],
      [0n, rechargeFor(["tts"], 9n)],
      [0n, freeze(usageOf("tts", 2n))],
      [1n, extendHold(3n, { more: usageOf("tts", 8n) })],
    ]);
    expect(entry).toBe("4 extend 8 for hold 3 until +50: 7 of #2, 1 of #1");
  });

  test("only points of lots without services to a hold that was made by points", () => {
    const scoped: Step[] = [
      [0n, recharge(9n)],
      [0n, rechargeFor(["tts"], 9n)],
      [0n, freeze(2n)],
    ];
    const { answer: entry, state } = play(undefined, [
      ...scoped,
      [1n, extendHold(3n, { more: usageOf("tts", 4n) })],
      // Else the points for tts alone would be spent on a script.
      [2n, settlePart(3n, usageOf("script", 6n))],
    ]);
    expect(entry).toBe("5 settle 6 of hold 3, kept open: 6 of #1");
    const refused = decideAt(state, extendHold(3n, { more: usageOf("tts", 4n) }), NOW + 3n).refused;
    expect(refused).toEqual({
      reason: "INSUFFICIENT_POINTS",
      balance: 12n,
      usable: 3n,
      required: 4n,
      shortfall: 1n,
    });
  });

  test("time to a hold, and no more points than it has go back when it ends", () => {
    const { journal, holds } = play(stateOf(["#1: 9 of 9"]), [
      [0n, freeze(5n)],
      [1n, extendHold(2n, { more: 2n, ttl: 80n })],
      [2n, settlePart(2n, 3n)],
      [50n, consume(1n)],
      [90n, consume(1n)],
    ]);
    expect(journal).toEqual([
      "2 freeze 5 until +50: 5 of #1",
      "3 extend 2 for hold 2 until +81: 2 of #1",
      "4 settle 3 of hold 2, kept open: 3 of #1",
      "5 consume 1: 1 of #1",
      "6 release 4 of hold 2: 4 of #1",
      "7 consume 1: 1 of #1",
    ]);
    expect(holds).toEqual(["#2: 7 expired, 3 spent"]);
  });
});

describe("ExtendHold is refused", () => {
  // 2 freeze 2 for tts until +50, 3 freeze 1 and 4 release it, 5 freeze 1 until +1.
  const steps: Step[] = [
    [0n, freeze(usageOf("tts", 2n))],
    [0n, freeze(1n)],
    [0n, release(3n)],
    [0n, freeze(1n, 1n)],
  ];
  const { state } = play(stateOf(["#1: 9 of 9"]), steps);
  const invalid = (field: string, description: string) => {
    return { reason: "FIELD_INVALID", field, description };
  };
  const OTHER = invalid("usage.service", "must be tts, for whose use the points were set aside");
  const TOO_LONG = "must end within 30 days of the hold's freeze";

  test.each<[string, bigint, Parameters<typeof extendHold>[1], object]>([
    ["for no hold", 9n, { more: 1n }, { reason: "HOLD_NOT_FOUND", hold: 9n }],
    [
      "for a closed hold, before its price",
      3n,
      { more: NOT_PRICED },
      { reason: "HOLD_CLOSED", hold: 3n, status: "released" },
    ],
    ["for a hold past its time", 5n, { ttl: 9n }, { reason: "HOLD_EXPIRED", hold: 5n }],
    [
      "to end sooner, before its price",
      2n,
      { more: NOT_PRICED, time: NOW + 49n },
      invalid("expire_time", "must not be before the hold's own time"),
    ],
    ["to end in the past", 2n, { time: NOW }, invalid("expire_time", "must be after now")],
    [
      "for more than 30 days from its freeze by a ttl",
      2n,
      { ttl: HOLD_MAX - 1n },
      invalid("ttl", TOO_LONG),
    ],
    [
      "for more than 30 days from its freeze by a time",
      2n,
      { time: NOW + HOLD_MAX + 1n },
      invalid("expire_time", TOO_LONG),
    ],
    [
      "without a price, before the points that lack",
      2n,
      { more: NOT_PRICED },
      { reason: "SERVICE_NOT_PRICED", service: "nothing" },
    ],
    ["by usage of another service, though too much", 2n, { more: usageOf("script", 99n) }, OTHER],
    [
      "by more than there is",
      2n,
      { more: 8n },
      { reason: "INSUFFICIENT_POINTS", balance: 7n, usable: 7n, required: 8n, shortfall: 1n },
    ],
  ])("%s", (_, hold, more, refused) => {
    expect(decideAt(state, extendHold(hold, more), NOW + 2n).refused).toEqual(refused);
  });

  test("to more points than one command may move", () => {
    const rich = play(undefined, [
      [0n, recharge(MAX_POINTS)],
      [0n, recharge(9n)],
      [0n, freeze(MAX_POINTS)],
    ]).state;
    const refused = { reason: "TOTAL_TOO_LARGE", total: "hold", limit: MAX_POINTS };
    expect(decideAt(rich, extendHold(3n, { more: 1n }), NOW).refused).toEqual(refused);
    const parts = play(rich, [
      [0n, settlePart(3n, 1n)],
      [0n, extendHold(3n, { more: 1n })],
    ]);
    expect(parts.holds).toEqual([expect.stringContaining("open until +50")]);
  });

  test("by more than its caller may move, before it is found that there is too little", () => {
    const command: Mutation = { ...extendHold(2n, { more: 9n }), maxPoints: 8n };
    expect(decideAt(state, command, NOW + 2n).refused).toEqual({
      reason: "PERMISSION_DENIED",
      maxPoints: 8n,
      required: 9n,
    });
  });
});

test("a hold extended and settled in the batch that made it is saved once, as it is then", () => {
  const found = [stateOf(["#1: 9 of 9"])];
  const batch = startBatch(NOW, { ...NO_REPEATS, found });
  for (const command of [freeze(3n), extendHold(2n, { more: 3n, ttl: 70n }), settlePart(2n, 2n)]) {
    expect(answer(batch, command)).toHaveProperty("entry");
  }
  expect(changesOf(batch)!.holds).toMatchObject([
    {
      number: 2n,
      points: 6n,
      settled: 2n,
      status: "open",
      expireTime: NOW + 70n,
      allocations: [{ lot: 1n, points: 4n }],
    },
  ]);
  expect(changesOf(batch)!.accounts).toMatchObject([{ dueTime: NOW + 70n, openHolds: 1 }]);
});

test("a hold of many lots that is extended again and again leaves room for others", () => {
  const lots = Array.from({ length: 400 }, (_, index) => `#${index + 1}: 1 of 1`);
  const { state } = play(stateOf([...lots, "#401: 99 of 99"]), [[0n, freeze(400n)]]);
  const batch = startBatch(NOW, { ...NO_REPEATS, found: [state] });
  let done = 0;
  for (; done < 9 && !batch.waiting.has("ada"); done += 1) {
    answer(batch, extendHold(402n, { more: 1n }));
  }
  expect(done).toBe(5);
});
