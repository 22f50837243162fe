import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { AccountState } from "../../src/ledger/state.ts";
import { answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import { HOLD_MAX, HOLD_TTL } from "../../src/ledger/hold.ts";
import { LAST_INSTANT } from "../../src/ledger/time.ts";
import {
  consume,
  DUE,
  expire,
  expireLot,
  FREE,
  freeze,
  freezeUntil,
  named,
  NOT_PRICED,
  open,
  recharge,
  refund,
  release,
  settle,
  used,
} from "../support/commands.ts";
import { NO_REPEATS } from "../support/salts.ts";
import {
  decideAt,
  entryLine,
  NOW,
  outcome,
  play,
  stateOf,
  type Step,
} from "../support/statement.ts";

describe("Freeze sets aside", () => {
  const cases: [title: string, lots: string[], points: bigint, entry: string, after: string[]][] = [
    [
      "a part of the only lot",
      ["#1: 100 of 100"],
      30n,
      "2 freeze 30 until +50: 30 of #1",
      ["#1: 70 of 100, 30 frozen"],
    ],
    [
      "the lower priority first, even if it never expires",
      ["#1: 50 of 50, expires +5, priority 2", "#2: 50 of 50, priority 1"],
      60n,
      "3 freeze 60 until +50: 50 of #2, 10 of #1",
      ["#1: 40 of 50, 10 frozen, expires +5, priority 2", "#2: 0 of 50, 50 frozen, priority 1"],
    ],
    [
      "what expires first, within a priority, and what never expires last",
      ["#1: 5 of 5", "#2: 5 of 5, expires +9", "#3: 5 of 5, expires +3"],
      11n,
      "4 freeze 11 until +50: 5 of #3, 5 of #2, 1 of #1",
      [
        "#1: 4 of 5, 1 frozen",
        "#2: 0 of 5, 5 frozen, expires +9",
        "#3: 0 of 5, 5 frozen, expires +3",
      ],
    ],
    [
      "the oldest, where all else is equal",
      ["#10: 5 of 5", "#2: 5 of 5"],
      6n,
      "11 freeze 6 until +50: 5 of #2, 1 of #10",
      ["#2: 0 of 5, 5 frozen", "#10: 4 of 5, 1 frozen"],
    ],
    [
      "everything, to the last point",
      ["#1: 1 of 5", "#2: 2 of 2"],
      3n,
      "3 freeze 3 until +50: 1 of #1, 2 of #2",
      ["#1: 0 of 5, 1 frozen", "#2: 0 of 2, 2 frozen"],
    ],
    ["nothing, for a free use", ["#1: 5 of 5"], 0n, "2 freeze 0 until +50", ["#1: 5 of 5"]],
    [
      "nothing of what has expired, which is booked before",
      ["#1: 5 of 5, expires now", "#2: 5 of 5"],
      4n,
      "4 freeze 4 until +50: 4 of #2",
      ["#1: 0 of 5, expires now", "#2: 1 of 5, 4 frozen"],
    ],
  ];
  test.each(cases)("%s", (_, lots, points, entry, after) => {
    const before = stateOf(lots);
    const played = play(before, [[0n, freeze(points === 0n ? FREE : points)]]);
    const [number] = entry.split(" ");
    const { totalConsumed } = before.account;
    expect(played.lots).toEqual(after);
    expect(played.answer).toBe(entry);
    expect(played.holds).toEqual([`#${number}: ${points} open until +50`]);
    expect(played.state.account).toMatchObject({ frozen: points, totalConsumed });
  });

  test("points that Consume, Expire and another Freeze no longer reach", () => {
    const { state } = play(stateOf(["#1: 10 of 10"]), [[0n, freeze(8n)]]);
    const refused = {
      reason: "INSUFFICIENT_POINTS",
      balance: 2n,
      usable: 2n,
      required: 3n,
      shortfall: 1n,
    };
    for (const command of [consume(3n), freeze(3n), expire({ kind: "points", points: 3n })]) {
      expect(outcome(state, command)).toEqual({ refused });
    }
  });

  test("points a second time beside an open hold, in burn order of what is left", () => {
    const lots = ["#1: 10 of 10, expires +90", "#2: 10 of 10"];
    const { holds, lots: after } = play(stateOf(lots), [
      [0n, freeze(6n)],
      [1n, freeze(6n, 10n)],
    ]);
    expect(holds).toEqual(["#3: 6 open until +50", "#4: 6 open until +11"]);
    expect(after).toEqual(["#1: 0 of 10, 10 frozen, expires +90", "#2: 8 of 10, 2 frozen"]);
  });

  test("for a life of 30 days", () => {
    const lots = stateOf(["#1: 5 of 5"]);
    expect(play(lots, [[0n, freezeUntil(1n, NOW + HOLD_MAX)]]).holds).toHaveLength(1);
    expect(play(lots, [[0n, freeze(1n, HOLD_MAX)]]).holds).toHaveLength(1);
    expect(play(lots, [[0n, freeze(1n, HOLD_TTL)]]).holds).toEqual([
      "#2: 1 open until +86400000000",
    ]);
  });

  test("what a use costs, and writes the use on its entry", () => {
    const usage = used({ service: "tts", durationNanos: 9n });
    const { entry } = play(stateOf(["#1: 5 of 5"]), [[0n, freeze({ points: 2n, usage })]]);
    expect(entry).toMatchObject({ kind: "freeze", points: 2n, usage, refersTo: null });
  });
});

describe("Settle spends", () => {
  // A hold of 25 that took 10 of lot 3, 10 of lot 2 and 5 of lot 1.
  const lots = ["#1: 10 of 10", "#2: 10 of 10, expires +900", "#3: 10 of 10, expires +800"];
  const cases: [
    title: string,
    cost: Parameters<typeof settle>[1],
    entry: string,
    after: string[],
    settled: bigint,
  ][] = [
    [
      "all of it without a cost",
      undefined,
      "5 settle 25 of hold 4: 10 of #3, 10 of #2, 5 of #1",
      ["#1: 5 of 10", "#2: 0 of 10, expires +900", "#3: 0 of 10, expires +800"],
      25n,
    ],
    [
      "all of it with its cost",
      25n,
      "5 settle 25 of hold 4: 10 of #3, 10 of #2, 5 of #1",
      ["#1: 5 of 10", "#2: 0 of 10, expires +900", "#3: 0 of 10, expires +800"],
      25n,
    ],
    [
      "a part in the order frozen, and returns the rest to the very lots",
      12n,
      "5 settle 12 of hold 4, 13 returned: 10 of #3, 2 of #2",
      ["#1: 10 of 10", "#2: 8 of 10, expires +900", "#3: 0 of 10, expires +800"],
      12n,
    ],
    [
      "a part that ends where a lot ends",
      20n,
      "5 settle 20 of hold 4, 5 returned: 10 of #3, 10 of #2",
      ["#1: 10 of 10", "#2: 0 of 10, expires +900", "#3: 0 of 10, expires +800"],
      20n,
    ],
    [
      "one point",
      1n,
      "5 settle 1 of hold 4, 24 returned: 1 of #3",
      ["#1: 10 of 10", "#2: 10 of 10, expires +900", "#3: 9 of 10, expires +800"],
      1n,
    ],
    [
      "nothing for a free use, and returns all",
      FREE,
      "5 settle 0 of hold 4, 25 returned",
      ["#1: 10 of 10", "#2: 10 of 10, expires +900", "#3: 10 of 10, expires +800"],
      0n,
    ],
  ];
  test.each(cases)("%s", (_, cost, entry, after, settled) => {
    const played = play(stateOf(lots), [
      [0n, freeze(25n)],
      [1n, settle(4n, cost)],
    ]);
    expect(played.answer).toBe(entry);
    expect(played.lots).toEqual(after);
    expect(played.holds).toEqual([`#4: 25 settled for ${settled}`]);
    expect(played.state.account).toMatchObject({
      balance: 30n - settled,
      frozen: 0n,
      totalConsumed: settled,
    });
  });

  test("of its hold alone: another one keeps its points", () => {
    const { lots: after, holds } = play(stateOf(["#1: 10 of 10"]), [
      [0n, freeze(4n)],
      [0n, freeze(5n)],
      [1n, settle(2n, 1n)],
    ]);
    expect(after).toEqual(["#1: 4 of 10, 5 frozen"]);
    expect(holds).toEqual(["#2: 4 settled for 1", "#3: 5 open until +50"]);
  });

  test("all of a hold of nothing", () => {
    const { answer: last, holds } = play(stateOf(["#1: 1 of 1"]), [
      [0n, freeze(FREE)],
      [1n, settle(2n)],
    ]);
    expect([last, holds]).toEqual(["3 settle 0 of hold 2", ["#2: 0 settled for 0"]]);
  });

  test("until the microsecond before the hold's time, and not from it on", () => {
    const { state } = play(stateOf(["#1: 5 of 5"]), [[0n, freeze(5n, 50n)]]);
    expect(play(state, [[49n, settle(2n)]]).answer).toBe("3 settle 5 of hold 2: 5 of #1");
    expect(play(state, [[49n, release(2n)]]).answer).toBe("3 release 5 of hold 2: 5 of #1");
    for (const command of [settle(2n), release(2n)]) {
      for (const at of [50n, 51n]) {
        expect(decideAt(state, command, NOW + at).refused).toEqual({
          reason: "HOLD_EXPIRED",
          hold: 2n,
        });
      }
    }
  });
});

describe("Release gives back", () => {
  test("all points to the very lots that they came from", () => {
    const lots = ["#1: 10 of 10", "#2: 10 of 10, expires +900", "#3: 10 of 10, expires +800"];
    const played = play(stateOf(lots), [
      [0n, freeze(25n)],
      [1n, release(4n)],
    ]);
    expect(played.answer).toBe("5 release 25 of hold 4: 10 of #3, 10 of #2, 5 of #1");
    expect(played.lots).toEqual(lots);
    expect(played.holds).toEqual(["#4: 25 released"]);
    expect(played.state.account).toMatchObject({ balance: 30n, frozen: 0n, totalConsumed: 0n });
  });

  test("nothing of a hold of nothing", () => {
    const { answer: last } = play(stateOf(["#1: 1 of 1"]), [
      [0n, freeze(FREE)],
      [1n, release(2n)],
    ]);
    expect(last).toBe("3 release 0 of hold 2");
  });
});

describe("a hold that is due is released by the next command", () => {
  const released = "3 release 4 of hold 2: 4 of #1";
  const cases: [title: string, command: Command, ownEntry: string | undefined][] = [
    ["GetOrCreate", open(), undefined],
    ["Recharge", recharge(1n), "4 recharge 1: 1 of #4"],
    ["Consume of the points that came back", consume(5n), "4 consume 5: 5 of #1"],
    ["Freeze of them", freeze(5n), "4 freeze 5 until +100: 5 of #1"],
    ["Expire of them", expireLot(1n), "4 expire 5: 5 of #1"],
  ];
  test.each(cases)("%s", (_, command, ownEntry) => {
    const { state } = play(stateOf(["#1: 5 of 5"]), [[0n, freeze(4n)]]);
    const played = play(state, [[50n, command]]);
    expect(played.journal).toEqual(ownEntry === undefined ? [released] : [released, ownEntry]);
    expect(played.answer).toBe(ownEntry);
    expect(played.holds[0]).toBe("#2: 4 expired");
  });

  test("by one that is refused as well", () => {
    const { state } = play(stateOf(["#1: 5 of 5"]), [[0n, freeze(4n)]]);
    const decided = decideAt(state, consume(6n), NOW + 50n);
    expect(decided.refused).toMatchObject({ balance: 5n, shortfall: 1n });
    expect(decided.entries.map(entryLine)).toEqual([released]);
  });

  test("by Expire of what is due, whose answer it is", () => {
    const { state } = play(stateOf(["#1: 5 of 5"]), [[0n, freeze(4n)]]);
    const played = play(state, [[50n, expire(DUE)]]);
    expect([played.journal, played.answer]).toEqual([[released], released]);
  });

  test("the earliest first, then the lowest number, each in an entry of the ledger's own", () => {
    const steps: Step[] = [
      [0n, freeze(1n, 30n)],
      [0n, freeze(2n, 10n)],
      [0n, freeze(3n, 20n)],
      [1n, freeze(4n, 9n)],
      [2n, freeze(5n, 900n)],
    ];
    const { state } = play(stateOf(["#1: 99 of 99"]), steps);
    const request = { id: "r", hash: new Uint8Array(32) };
    const metadata = new Map([["why", "test"]]);
    const applied = decideAt(state, { ...consume(1n), request, metadata }, NOW + 30n);
    const { journal, holds } = play(state, [[30n, consume(1n)]]);
    expect(journal).toEqual([
      "7 release 2 of hold 3: 2 of #1",
      "8 release 4 of hold 5: 4 of #1",
      "9 release 3 of hold 4: 3 of #1",
      "10 release 1 of hold 2: 1 of #1",
      "11 consume 1: 1 of #1",
    ]);
    expect(holds.at(-1)).toBe("#6: 5 open until +902");
    for (const entry of applied.entries.slice(0, -1)) {
      expect(entry).toMatchObject({ request: undefined, metadata: new Map() });
    }
    expect(applied.entries.at(-1)).toMatchObject({ request: { id: "r" }, metadata });
  });

  test("once: the one after it finds nothing due", () => {
    const { journal } = play(stateOf(["#1: 5 of 5"]), [
      [0n, freeze(4n)],
      [50n, open()],
      [60n, open()],
    ]);
    expect(journal).toEqual(["2 freeze 4 until +50: 4 of #1", "3 release 4 of hold 2: 4 of #1"]);
  });

  test("and its points expire if their lot is past its time too", () => {
    const { state } = play(stateOf(["#1: 5 of 5, expires +20", "#2: 5 of 5"]), [[0n, freeze(7n)]]);
    const played = play(state, [[50n, consume(1n)]]);
    expect(played.journal).toEqual([
      "4 release 7 of hold 3: 5 of #1, 2 of #2",
      "5 expire 5: 5 of #1",
      "6 consume 1: 1 of #2",
    ]);
    expect(played.lots).toEqual(["#1: 0 of 5, expires +20", "#2: 4 of 5"]);
  });

  test("and Expire of what is due answers with what expired last, the hold's points", () => {
    const { state } = play(stateOf(["#1: 5 of 5, expires +20"]), [[0n, freeze(3n)]]);
    const played = play(state, [[50n, expire(DUE)]]);
    expect(played.journal).toEqual([
      "3 expire 2: 2 of #1",
      "4 release 3 of hold 2: 3 of #1",
      "5 expire 3: 3 of #1",
    ]);
    expect(played.answer).toBe("5 expire 3: 3 of #1");
  });
});

describe("a lot that expires while points of it are frozen", () => {
  const lots = ["#1: 10 of 10, expires +20", "#2: 10 of 10"];
  const frozen = () => play(stateOf(lots), [[0n, freeze(12n)]]).state;

  test("keeps them until the hold's time, and loses what is not frozen", () => {
    const state = play(stateOf(lots), [[0n, freeze(6n)]]).state;
    const played = play(state, [[20n, open()]]);
    expect(played.journal).toEqual(["4 expire 4: 4 of #1"]);
    expect(played.lots).toEqual(["#1: 0 of 10, 6 frozen, expires +20", "#2: 10 of 10"]);
  });

  test("is settled all the same", () => {
    const played = play(frozen(), [[30n, settle(3n)]]);
    expect(played.journal).toEqual(["4 settle 12 of hold 3: 10 of #1, 2 of #2"]);
    expect(played.state.account).toMatchObject({ totalConsumed: 12n, totalExpired: 0n });
  });

  test("gets back what a settle leaves over, which is booked as expired right after", () => {
    const played = play(frozen(), [[30n, settle(3n, 4n)]]);
    expect(played.journal).toEqual([
      "4 settle 4 of hold 3, 8 returned: 4 of #1",
      "5 expire 6: 6 of #1",
    ]);
    expect(played.answer).toBe("4 settle 4 of hold 3, 8 returned: 4 of #1");
    expect(played.lots).toEqual(["#1: 0 of 10, expires +20", "#2: 10 of 10"]);
  });

  test("gets back what is released, which is booked as expired right after", () => {
    const played = play(frozen(), [[30n, release(3n)]]);
    expect(played.journal).toEqual([
      "4 release 12 of hold 3: 10 of #1, 2 of #2",
      "5 expire 10: 10 of #1",
    ]);
    expect(played.lots).toEqual(["#1: 0 of 10, expires +20", "#2: 10 of 10"]);
  });

  test("answers with the account as the command's own entry left it", () => {
    const state = frozen();
    const batch = startBatch(NOW + 30n, { ...NO_REPEATS, found: [state] });
    const settled = answer(batch, settle(3n, 4n));
    const after = changesOf(batch)!.accounts[0];
    expect(settled).toMatchObject({
      account: { sequence: 4n, balance: 16n, frozen: 0n, totalExpired: 0n },
    });
    expect(after).toMatchObject({ sequence: 5n, balance: 10n, frozen: 0n, totalExpired: 6n });
  });

  test("to the microsecond: a microsecond before, the points are back for good", () => {
    const early = play(frozen(), [[19n, release(3n)]]);
    const late = play(frozen(), [[20n, release(3n)]]);
    expect([early.journal.length, late.journal.length]).toEqual([1, 2]);
  });

  test("stays open for Expire of the lot, which leaves frozen points alone", () => {
    const lot = play(stateOf(lots), [[0n, freeze(6n)]]).state;
    const played = play(lot, [[1n, expireLot(1n)]]);
    expect(played.answer).toBe("4 expire 4: 4 of #1");
    expect(played.lots[0]).toBe("#1: 0 of 10, 6 frozen, expires +20");
    const again = play(played.state, [[2n, expireLot(1n)]]);
    expect([again.journal, again.answer]).toEqual([[], undefined]);
    expect(play(again.state, [[3n, settle(3n)]]).answer).toBe("5 settle 6 of hold 3: 6 of #1");
  });
});

describe("a command about a hold is refused, and changes nothing:", () => {
  // #2: open, #3: settled, #5: released, #7: due at +50.
  const state = play(stateOf(["#1: 100 of 100"]), [
    [0n, freeze(10n, 900n)],
    [0n, freeze(10n, 900n)],
    [0n, settle(3n, 4n)],
    [0n, freeze(10n, 900n)],
    [0n, release(5n)],
    [0n, freeze(10n)],
  ]).state;
  // The last hold was released by the next command.
  const { state: booked } = play(state, [[60n, open()]]);
  const noHold = (hold: bigint) => ({ reason: "HOLD_NOT_FOUND", hold });
  const closed = (hold: bigint, status: string) => ({ reason: "HOLD_CLOSED", hold, status });
  const expired = { reason: "HOLD_EXPIRED", hold: 7n };
  const noPrice = { reason: "SERVICE_NOT_PRICED", service: "nothing" };
  const noAmount = { reason: "FIELD_INVALID", field: "usage.quantity", description: "is required" };
  const noAccount = { reason: "ACCOUNT_NOT_FOUND", userId: "ada" };
  const past = { reason: "FIELD_INVALID", field: "expire_time", description: "must be after now" };
  const tooLong = {
    reason: "FIELD_INVALID",
    field: "ttl",
    description: "must end before the year 10000",
  };

  const within30Days = (field: string) => ({
    reason: "FIELD_INVALID",
    field,
    description: "must end within 30 days of the hold's freeze",
  });

  const cases: [string, AccountState | undefined, Command, object][] = [
    ["Freeze without an account", undefined, freeze(1n), noAccount],
    ["Settle without an account", undefined, settle(1n), noAccount],
    ["Release without an account", undefined, release(1n), noAccount],
    [
      "Freeze of more than there is",
      state,
      freeze(87n),
      { reason: "INSUFFICIENT_POINTS", balance: 86n, usable: 86n, required: 87n, shortfall: 1n },
    ],
    ["Freeze until now", state, freezeUntil(1n, NOW + 60n), past],
    ["Freeze past the year 9999", state, freeze(1n, LAST_INSTANT - NOW - 59n), tooLong],
    ["Freeze for longer than 30 days", state, freeze(1n, HOLD_MAX + 1n), within30Days("ttl")],
    [
      "Freeze until later than 30 days",
      state,
      freezeUntil(1n, NOW + 60n + HOLD_MAX + 1n),
      within30Days("expire_time"),
    ],
    ["Settle of a hold that never was", state, settle(9n), noHold(9n)],
    ["Settle of an entry that is no freeze", state, settle(1n), noHold(1n)],
    ["Settle of a settle", state, settle(4n), noHold(4n)],
    ["Release of a hold that never was", state, release(9n), noHold(9n)],
    ["Settle of a settled hold", state, settle(3n), closed(3n, "settled")],
    ["Settle of a released hold", state, settle(5n), closed(5n, "released")],
    ["Release of a settled hold", state, release(3n), closed(3n, "settled")],
    ["Release of a released hold", state, release(5n), closed(5n, "released")],
    ["Settle of a hold that is due", state, settle(7n), expired],
    ["Release of a hold that is due", state, release(7n), expired],
    ["Settle of a hold whose release is booked", booked, settle(7n), expired],
    ["Release of a hold whose release is booked", booked, release(7n), expired],
    [
      "Settle of more than the hold has",
      state,
      settle(2n, 11n),
      { reason: "HOLD_EXCEEDED", held: 10n, required: 11n },
    ],
    [
      "Settle of something where the hold has nothing",
      play(stateOf(["#1: 1 of 1"]), [[60n, freeze(FREE)]]).state,
      settle(2n, 1n),
      { reason: "HOLD_EXCEEDED", held: 0n, required: 1n },
    ],
    ["Settle for a service without a price", state, settle(2n, NOT_PRICED), noPrice],
    ["Freeze for a service without a price", state, freeze(NOT_PRICED), noPrice],

    // Where two things are wrong, the first in the order of checks is told.
    ["no account before no price", undefined, settle(1n, NOT_PRICED), noAccount],
    ["no account before an expiry in the past", undefined, freezeUntil(1n, NOW), noAccount],
    ["no hold before no price", state, settle(9n, NOT_PRICED), noHold(9n)],
    ["no hold before no amount", state, settle(9n, noAmount as never), noHold(9n)],
    ["no hold before too many points", state, settle(9n, 11n), noHold(9n)],
    ["a closed hold before no price", state, settle(3n, NOT_PRICED), closed(3n, "settled")],
    ["a closed hold before too many points", state, settle(3n, 11n), closed(3n, "settled")],
    ["an expired hold before no price", state, settle(7n, NOT_PRICED), expired],
    ["an expired hold before too many points", state, settle(7n, 11n), expired],
    ["an expiry in the past before no points", state, freezeUntil(87n, NOW), past],
    ["an expiry in the past before no price", state, freezeUntil(NOT_PRICED, NOW), past],
    ["too long a life before no points", state, freeze(87n, LAST_INSTANT), tooLong],
    [
      "no price before no points",
      play(undefined, [[60n, open()]]).state,
      freeze(NOT_PRICED),
      noPrice,
    ],
  ];
  test.each(cases)("%s", (_, before, command, refusal) => {
    const kept = inspect(before, { depth: null });
    expect(decideAt(before, command, NOW + 60n).refused).toEqual(refusal);
    expect(inspect(before, { depth: null })).toBe(kept);
  });
});

describe("a repeat comes before whatever is wrong with", () => {
  const first = [
    ["a settled hold", settle(2n), settle(2n), "HOLD_CLOSED"],
    ["a released hold", release(2n), release(2n), "HOLD_CLOSED"],
    ["a price that is gone", settle(2n, 1n), settle(2n, NOT_PRICED), "HOLD_CLOSED"],
    ["points that are spent", freeze(5n), freeze(5n), "INSUFFICIENT_POINTS"],
  ] as const;
  test.each(first)("%s", (_, command, again, refusal) => {
    const { state } = play(stateOf(["#1: 10 of 10"]), [[0n, freeze(5n)]]);
    const batch = startBatch(NOW + 1n, { ...NO_REPEATS, found: [state] });
    const done = answer(batch, named(command, "r1"));
    const repeat = answer(batch, named(again, "r1"));
    const reused = answer(batch, named(again, "r1", "another content"));
    const anew = answer(batch, again);
    expect(repeat).toEqual({ ...done, replayed: true });
    expect(reused).toMatchObject({ reason: "REQUEST_ID_REUSED", requestId: "r1", sequence: 3n });
    expect(anew).toMatchObject({ reason: refusal });
  });

  test("an id that was used, before no hold and no entry", () => {
    const { state } = play(stateOf(["#1: 10 of 10"]), [[0n, freeze(5n)]]);
    const batch = startBatch(NOW + 1n, { ...NO_REPEATS, found: [state] });
    answer(batch, named(consume(1n), "r1"));
    for (const command of [settle(99n), release(99n), refund(99n), freeze(99n)]) {
      expect(answer(batch, named(command, "r1"))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
    }
  });
});

describe("the service of a hold", () => {
  const useOf = (service: string) => ({
    points: 2n,
    usage: used({ service, durationNanos: 9n }),
  });
  const { state } = play(stateOf(["#1: 50 of 50"]), [
    [0n, freeze(useOf("tts"))],
    [0n, freeze(2n)],
  ]);

  test("is that of the use that it was frozen for", () => {
    expect(state.holds.map(({ service }) => service)).toEqual(["tts", null]);
  });

  test("refuses a Settle by the use of another", () => {
    expect(outcome(state, settle(2n, useOf("video")))).toEqual({
      refused: {
        reason: "FIELD_INVALID",
        field: "usage.service",
        description: "must be tts, for whose use the points were set aside",
      },
    });
  });

  test.each([
    ["by the same use", settle(2n, useOf("tts"))],
    ["by points", settle(2n, 1n)],
    ["of a hold of points, by any use", settle(3n, useOf("video"))],
  ])("lets a Settle pass %s", (_, command) => {
    expect(outcome(state, command)).toMatchObject({ answer: expect.any(String) });
  });
});
