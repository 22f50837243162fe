import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { MAX_TOTAL } from "../../src/ledger/account.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import { LAST_INSTANT } from "../../src/ledger/time.ts";
import {
  consume,
  expire,
  FREE,
  freeze,
  named,
  recharge,
  refund,
  release,
  settle,
} from "../support/commands.ts";
import { NO_REPEATS } from "../support/salts.ts";
import { decideAt, NOW, play, stateOf, type Step } from "../support/statement.ts";

describe("Refund gives back", () => {
  // Entry 4 spent 25: 10 of lot 3, 10 of lot 2, 5 of lot 1.
  const lots = ["#1: 10 of 10", "#2: 10 of 10, expires +900", "#3: 10 of 10, expires +800"];
  const spent = ["#1: 5 of 10", "#2: 0 of 10, expires +900", "#3: 0 of 10, expires +800"];
  const cases: [title: string, refunds: Step[], journal: string[], after: string[]][] = [
    [
      "all of a consume, last taken first, and reopens the lots that were spent",
      [[2n, refund(4n)]],
      ["5 refund 25 of entry 4: 5 of #1, 10 of #2, 10 of #3"],
      lots,
    ],
    [
      "all of it where so many points are named",
      [[2n, refund(4n, 25n)]],
      ["5 refund 25 of entry 4: 5 of #1, 10 of #2, 10 of #3"],
      lots,
    ],
    [
      "a part, to the lot that was taken from last",
      [[2n, refund(4n, 3n)]],
      ["5 refund 3 of entry 4: 3 of #1"],
      ["#1: 8 of 10", "#2: 0 of 10, expires +900", "#3: 0 of 10, expires +800"],
    ],
    [
      "a part across lots",
      [[2n, refund(4n, 12n)]],
      ["5 refund 12 of entry 4: 5 of #1, 7 of #2"],
      ["#1: 10 of 10", "#2: 7 of 10, expires +900", "#3: 0 of 10, expires +800"],
    ],
    [
      "parts one after the other, each where the one before ended, then the rest",
      [
        [2n, refund(4n, 4n)],
        [3n, refund(4n, 1n)],
        [4n, refund(4n, 11n)],
        [5n, refund(4n)],
      ],
      [
        "5 refund 4 of entry 4: 4 of #1",
        "6 refund 1 of entry 4: 1 of #1",
        "7 refund 11 of entry 4: 10 of #2, 1 of #3",
        "8 refund 9 of entry 4: 9 of #3",
      ],
      lots,
    ],
    [
      "nothing new to lots for which a new life is asked, but which are not past their time",
      [[2n, refund(4n, undefined, 5n)]],
      ["5 refund 25 of entry 4: 5 of #1, 10 of #2, 10 of #3"],
      lots,
    ],
  ];
  test.each(cases)("%s", (_, refunds, journal, after) => {
    const { state, lots: before } = play(stateOf(lots), [[1n, consume(25n)]]);
    expect(before).toEqual(spent);
    const played = play(state, refunds);
    const back = refunds.length === 1 ? played.entry!.points : 25n;
    expect(played.journal).toEqual(journal);
    expect(played.lots).toEqual(after);
    expect(played.state.refunded).toEqual(new Map([[4n, back]]));
    expect(played.state.account).toMatchObject({
      balance: 5n + back,
      totalConsumed: 25n,
      totalRefunded: back,
    });
  });

  test("what a settle spent, and not what it returned", () => {
    const { state } = play(stateOf(lots), [
      [0n, freeze(25n)],
      [1n, settle(4n, 12n)],
    ]);
    const played = play(state, [[2n, refund(5n)]]);
    expect(played.answer).toBe("6 refund 12 of entry 5: 2 of #2, 10 of #3");
    expect(played.lots).toEqual(lots);
    expect(played.holds).toEqual(["#4: 25 settled for 12"]);
  });

  test("points of two entries, each by itself", () => {
    const played = play(stateOf(["#1: 10 of 10"]), [
      [0n, consume(4n)],
      [1n, consume(5n)],
      [2n, refund(2n, 1n)],
      [3n, refund(3n, 5n)],
      [4n, refund(2n)],
    ]);
    expect(played.journal.slice(2)).toEqual([
      "4 refund 1 of entry 2: 1 of #1",
      "5 refund 5 of entry 3: 5 of #1",
      "6 refund 3 of entry 2: 3 of #1",
    ]);
    expect(played.state.refunded).toEqual(
      new Map([
        [2n, 4n],
        [3n, 5n],
      ]),
    );
  });

  test("points that can be spent, frozen and refunded again", () => {
    const played = play(stateOf(["#1: 5 of 5"]), [
      [0n, consume(5n)],
      [1n, refund(2n)],
      [2n, consume(5n)],
      [3n, refund(4n, 2n)],
      [4n, freeze(2n)],
      [5n, settle(6n)],
      [6n, refund(7n)],
    ]);
    expect(played.answer).toBe("8 refund 2 of entry 7: 2 of #1");
    expect(played.lots).toEqual(["#1: 2 of 5"]);
    expect(played.state.account).toMatchObject({ totalConsumed: 12n, totalRefunded: 9n });
  });

  test("points of an entry of the same batch, in the same batch", () => {
    const batch = startBatch(NOW, { ...NO_REPEATS, found: [stateOf(["#1: 10 of 10"])] });
    const answers = [
      consume(4n),
      freeze(6n),
      settle(3n, 5n),
      refund(2n, 3n),
      refund(4n),
      refund(2n),
      refund(2n, 1n),
    ].map((command) => answer(batch, command));
    expect(answers.slice(3, 6)).toMatchObject([
      { entry: { points: 3n } },
      { entry: { points: 5n } },
      { entry: { points: 1n } },
    ]);
    expect(answers[6]).toMatchObject({ reason: "REFUND_EXCEEDS_ENTRY", refundable: 0n });
    const { undone, lots: changed } = changesOf(batch)!;
    expect(undone).toMatchObject([
      { userId: "ada", sequence: 2n, refunded: 4n },
      { userId: "ada", sequence: 4n, refunded: 5n },
    ]);
    expect(changed).toMatchObject([{ number: 1n, remaining: 10n, frozen: 0n }]);
  });
});

describe("Refund to a lot past its time", () => {
  // Entry 4 spent 25: 10 of lot 2 (priority 3), 10 of lot 1 (priority 5), 5 of lot 3.
  const lots = [
    "#1: 10 of 10, expires +20, priority 5",
    "#2: 10 of 10, expires +30, priority 3",
    "#3: 10 of 10, priority 7",
  ];
  const cases: [title: string, at: bigint, command: Command, journal: string[], after: string[]][] =
    [
      [
        "is booked as expired right after",
        30n,
        refund(4n),
        ["5 refund 25 of entry 4: 5 of #3, 10 of #1, 10 of #2", "6 expire 20: 10 of #1, 10 of #2"],
        [
          "#1: 0 of 10, expires +20, priority 5",
          "#2: 0 of 10, expires +30, priority 3",
          "#3: 10 of 10, priority 7",
        ],
      ],
      [
        "expires alone, where the other lots have time left",
        20n,
        refund(4n),
        ["5 refund 25 of entry 4: 5 of #3, 10 of #1, 10 of #2", "6 expire 10: 10 of #1"],
        [
          "#1: 0 of 10, expires +20, priority 5",
          "#2: 10 of 10, expires +30, priority 3",
          "#3: 10 of 10, priority 7",
        ],
      ],
      [
        "becomes a new lot of that life, with the lowest priority number of the lots it came from",
        30n,
        refund(4n, undefined, 60n),
        ["5 refund 25 of entry 4, a new lot until +90, priority 3: 5 of #3, 20 of #5"],
        [
          "#1: 0 of 10, expires +20, priority 5",
          "#2: 0 of 10, expires +30, priority 3",
          "#3: 10 of 10, priority 7",
          "#5: 20 of 20, expires +90, priority 3",
        ],
      ],
      [
        "becomes a new lot of the priority of its own, where only one lot has expired",
        20n,
        refund(4n, undefined, 60n),
        ["5 refund 25 of entry 4, a new lot until +80, priority 5: 5 of #3, 10 of #2, 10 of #5"],
        [
          "#1: 0 of 10, expires +20, priority 5",
          "#2: 10 of 10, expires +30, priority 3",
          "#3: 10 of 10, priority 7",
          "#5: 10 of 10, expires +80, priority 5",
        ],
      ],
      [
        "makes no new lot for a part that does not reach it",
        30n,
        refund(4n, 5n, 60n),
        ["5 refund 5 of entry 4: 5 of #3"],
        [
          "#1: 0 of 10, expires +20, priority 5",
          "#2: 0 of 10, expires +30, priority 3",
          "#3: 10 of 10, priority 7",
        ],
      ],
      [
        "becomes a new lot of a part alone",
        30n,
        refund(4n, 8n, 1n),
        ["5 refund 8 of entry 4, a new lot until +31, priority 5: 5 of #3, 3 of #5"],
        [
          "#1: 0 of 10, expires +20, priority 5",
          "#2: 0 of 10, expires +30, priority 3",
          "#3: 10 of 10, priority 7",
          "#5: 3 of 3, expires +31, priority 5",
        ],
      ],
    ];
  test.each(cases)("%s", (_, at, command, journal, after) => {
    const { state } = play(stateOf(lots), [[1n, consume(25n)]]);
    const played = play(state, [[at, command]]);
    expect(played.journal).toEqual(journal);
    expect(played.answer).toBe(journal[0]);
    expect(played.lots).toEqual(after);
  });

  test("answers with the account as the refund left it, before anything expired", () => {
    const { state } = play(stateOf(lots), [[1n, consume(25n)]]);
    const batch = startBatch(NOW + 30n, { ...NO_REPEATS, found: [state] });
    expect(answer(batch, refund(4n))).toMatchObject({
      account: { sequence: 5n, balance: 30n, totalRefunded: 25n, totalExpired: 0n },
    });
    expect(changesOf(batch)!.accounts).toMatchObject([
      { sequence: 6n, balance: 10n, totalRefunded: 25n, totalExpired: 20n },
    ]);
  });

  test("never makes points permanent: the new lot expires, and its refund as well", () => {
    const played = play(stateOf(["#1: 5 of 5, expires +20"]), [
      [0n, consume(5n)],
      [30n, refund(2n, undefined, 10n)],
      [31n, consume(5n)],
      [40n, refund(4n)],
    ]);
    expect(played.journal.slice(1)).toEqual([
      "3 refund 5 of entry 2, a new lot until +40: 5 of #3",
      "4 consume 5: 5 of #3",
      "5 refund 5 of entry 4: 5 of #3",
      "6 expire 5: 5 of #3",
    ]);
    expect(played.state.account).toMatchObject({ balance: 0n, totalExpired: 5n });
  });

  test("in parts makes as many new lots, each of its own life", () => {
    const played = play(stateOf(["#1: 5 of 5, expires +20"]), [
      [0n, consume(5n)],
      [30n, refund(2n, 2n, 10n)],
      [35n, refund(2n, 3n, 10n)],
    ]);
    expect(played.lots).toEqual([
      "#1: 0 of 5, expires +20",
      "#3: 2 of 2, expires +40",
      "#4: 3 of 3, expires +45",
    ]);
  });

  test("puts the new lot in its place in burn order", () => {
    const played = play(stateOf(["#1: 5 of 5, expires +20", "#2: 5 of 5, expires +900"]), [
      [0n, consume(5n)],
      [30n, refund(3n, undefined, 10n)],
      [31n, consume(7n)],
    ]);
    expect(played.answer).toBe("5 consume 7: 5 of #4, 2 of #2");
  });

  test("whose rest was expired by Expire goes back there, if its time has not come", () => {
    const played = play(stateOf(["#1: 5 of 5, expires +20"]), [
      [0n, consume(3n)],
      [1n, expire({ kind: "lot", lot: 1n })],
      [2n, refund(2n)],
    ]);
    expect(played.lots).toEqual(["#1: 3 of 5, expires +20"]);
  });
});

describe("a refund is refused, and changes nothing:", () => {
  // 1 recharge, 2 consume 10, 3 freeze, 4 settle 5, 5 freeze, 6 release, 7 expire, 8 refund 4 of 2,
  // 9 a free consume, 10 refund all of 4, 11 freeze, 12 a free settle.
  const { state } = play(undefined, [
    [0n, recharge(100n)],
    [0n, consume(10n)],
    [0n, freeze(8n)],
    [0n, settle(3n, 5n)],
    [0n, freeze(8n)],
    [0n, release(5n)],
    [0n, expire({ kind: "points", points: 1n })],
    [0n, refund(2n, 4n)],
    [0n, consume(FREE)],
    [0n, refund(4n)],
    [0n, freeze(8n)],
    [0n, settle(11n, FREE)],
  ]);
  const noAccount = { reason: "ACCOUNT_NOT_FOUND", userId: "ada" };
  const noEntry = (sequence: bigint) => ({ reason: "ENTRY_NOT_FOUND", sequence });
  const notRefundable = (sequence: bigint, kind: string) => ({
    reason: "ENTRY_NOT_REFUNDABLE",
    sequence,
    kind,
  });
  const exceeds = (sequence: bigint, refundable: bigint, required: bigint) => ({
    reason: "REFUND_EXCEEDS_ENTRY",
    sequence,
    refundable,
    required,
  });
  const tooLong = {
    reason: "FIELD_INVALID",
    field: "reissue_ttl",
    description: "must end before the year 10000",
  };
  const tooLarge = { reason: "TOTAL_TOO_LARGE", total: "total_refunded", limit: MAX_TOTAL };
  const endless = LAST_INSTANT - NOW + 1n;
  // What is recharged and what is refunded are bounded together.
  const room = MAX_TOTAL - state.account.totalRecharged;

  const cases: [string, AccountState | undefined, Command, object][] = [
    ["without an account", undefined, refund(1n), noAccount],
    ["of an entry that never was", state, refund(13n), noEntry(13n)],
    ["of an entry far from there", state, refund(2n ** 63n - 1n), noEntry(2n ** 63n - 1n)],
    ["of a recharge", state, refund(1n), notRefundable(1n, "recharge")],
    ["of a freeze", state, refund(3n), notRefundable(3n, "freeze")],
    ["of a release", state, refund(6n), notRefundable(6n, "release")],
    ["of an expire", state, refund(7n), notRefundable(7n, "expire")],
    ["of a refund", state, refund(8n), notRefundable(8n, "refund")],
    ["of more than is left", state, refund(2n, 7n), exceeds(2n, 6n, 7n)],
    ["of a point of what is refunded", state, refund(4n, 1n), exceeds(4n, 0n, 1n)],
    ["of all of what is refunded", state, refund(4n), exceeds(4n, 0n, 0n)],
    ["of a free consume", state, refund(9n), exceeds(9n, 0n, 0n)],
    ["of a point of a free consume", state, refund(9n, 1n), exceeds(9n, 0n, 1n)],
    ["of a free settle", state, refund(12n), exceeds(12n, 0n, 0n)],
    ["with a life that outlasts the year 9999", state, refund(2n, 1n, endless), tooLong],
    ["past the largest total", withRefunded(state, room - 5n), refund(2n), tooLarge],

    // Where two things are wrong, the first in the order of checks is told.
    ["no account before too long a life", undefined, refund(1n, 1n, endless), noAccount],
    ["too long a life before no entry", state, refund(13n, 1n, endless), tooLong],
    ["too long a life before another kind of entry", state, refund(1n, 1n, endless), tooLong],
    ["too long a life before too many points", state, refund(2n, 7n, endless), tooLong],
    ["another kind before too many points", state, refund(1n, 999n), notRefundable(1n, "recharge")],
    [
      "too many points before too large a total",
      withRefunded(state, room),
      refund(2n, 7n),
      exceeds(2n, 6n, 7n),
    ],
  ];
  test.each(cases)("%s", (_, before, command, refusal) => {
    const kept = inspect(before, { depth: null });
    expect(decideAt(before, command, NOW).refused).toEqual(refusal);
    expect(inspect(before, { depth: null })).toBe(kept);
  });

  test("nothing where the total is reached exactly, and the life ends with the year 9999", () => {
    const almost = withRefunded(state, room - 6n);
    const { account } = play(almost, [[0n, refund(2n, undefined, endless - 1n)]]).state;
    expect(account.totalRefunded).toBe(room);
  });
});

describe("all refunds of an entry together", () => {
  test.each([1n, 2n, 3n, 7n, 10n])("never pass it, in parts of %i", (part) => {
    const lots = ["#1: 4 of 4", "#2: 4 of 4, expires +900", "#3: 5 of 5, priority 1"];
    let { state } = play(stateOf(lots), [[0n, consume(10n)]]);
    let back = 0n;
    for (let attempt = 0; attempt < 12; attempt += 1) {
      const applied = decideAt(state, refund(4n, part), NOW + 1n);
      const { refused } = applied;
      const refundable = 10n - back;
      expect(refused).toEqual(refundable >= part ? undefined : tooMuch(refundable, part));
      if (refused !== undefined) continue;
      state = applied.state!;
      back += part;
    }
    expect(back).toBe((10n / part) * part);
    expect(state.account).toMatchObject({ balance: 3n + back, totalRefunded: back });
  });

  test("a repeat is answered as the first, though nothing is left to refund", () => {
    const { state } = play(stateOf(["#1: 10 of 10"]), [[0n, consume(5n)]]);
    const batch = startBatch(NOW, { ...NO_REPEATS, found: [state] });
    const first = answer(batch, named(refund(2n), "r1"));
    expect(answer(batch, named(refund(2n), "r1"))).toEqual({ ...first, replayed: true });
    expect(answer(batch, refund(2n))).toMatchObject({ reason: "REFUND_EXCEEDS_ENTRY" });
    expect(answer(batch, named(refund(2n, 1n), "r1", "other"))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
    expect(batch.states.get("ada")!.account).toMatchObject({ balance: 10n, totalRefunded: 5n });
  });
});

function tooMuch(refundable: bigint, required: bigint) {
  return { reason: "REFUND_EXCEEDS_ENTRY", sequence: 4n, refundable, required };
}

/** The account with a history of as many points that were consumed and refunded. */
function withRefunded(state: AccountState, totalRefunded: bigint): AccountState {
  const more = totalRefunded - state.account.totalRefunded;
  const totalConsumed = state.account.totalConsumed + more;
  return { ...state, account: { ...state.account, totalRefunded, totalConsumed } };
}
