import { describe, expect, test } from "vitest";
import { emptyAccount, MAX_TOTAL } from "../../src/ledger/account.ts";
import type { Command, Expiration, ExpireTarget } from "../../src/ledger/command.ts";
import { fingerprintOf } from "../../src/ledger/digests.ts";
import { assertSound } from "../../src/ledger/invariants.ts";
import { type AccountState, bareState } from "../../src/ledger/state.ts";
import { LAST_INSTANT } from "../../src/ledger/time.ts";
import { SALT } from "../support/salts.ts";
import { decideAt, entryLine, NOW, outcome, stateOf } from "../support/statement.ts";

const nobody = { userId: "ada", request: undefined, metadata: new Map(), caller: "", actor: "" };
const consume = (points: bigint): Command => ({
  kind: "consume",
  ...nobody,
  onShortfall: "refuse",
  cost: { points, usage: null },
  member: "",
});
const expire = (target: ExpireTarget): Command => ({ kind: "expire", ...nobody, target });
const recharge = (
  points: bigint,
  expiration: Expiration = { kind: "never" },
  priority = 0,
): Command => ({
  kind: "recharge",
  ...nobody,
  points,
  expiration,
  priority,
  category: "",
  services: [],
});
const due: ExpireTarget = { kind: "due" };

describe("Consume burns", () => {
  const cases: [title: string, lots: string[], points: bigint, entry: string, after: string[]][] = [
    [
      "a part of the only lot",
      ["#1: 100 of 100"],
      30n,
      "2 consume 30: 30 of #1",
      ["#1: 70 of 100"],
    ],
    [
      "the lower priority first, even if it never expires",
      ["#1: 50 of 50, expires +5, priority 2", "#2: 50 of 50, priority 1"],
      60n,
      "3 consume 60: 50 of #2, 10 of #1",
      ["#1: 40 of 50, expires +5, priority 2", "#2: 0 of 50, priority 1"],
    ],
    [
      "what expires first, within a priority",
      ["#1: 50 of 50, expires +9", "#2: 50 of 50, expires +3"],
      60n,
      "3 consume 60: 50 of #2, 10 of #1",
      ["#1: 40 of 50, expires +9", "#2: 0 of 50, expires +3"],
    ],
    [
      "what never expires last, within a priority",
      ["#1: 50 of 50", "#2: 50 of 50, expires +999"],
      60n,
      "3 consume 60: 50 of #2, 10 of #1",
      ["#1: 40 of 50", "#2: 0 of 50, expires +999"],
    ],
    [
      "the oldest, where all else is equal",
      ["#3: 5 of 5, expires +9", "#10: 5 of 5, expires +9", "#2: 5 of 5, expires +9"],
      11n,
      "11 consume 11: 5 of #2, 5 of #3, 1 of #10",
      ["#2: 0 of 5, expires +9", "#3: 0 of 5, expires +9", "#10: 4 of 5, expires +9"],
    ],
    [
      "everything, to the last point",
      ["#1: 1 of 5", "#2: 2 of 2"],
      3n,
      "3 consume 3: 1 of #1, 2 of #2",
      ["#1: 0 of 5", "#2: 0 of 2"],
    ],
    [
      "nothing of a lot that is spent",
      ["#1: 0 of 5", "#2: 2 of 2"],
      1n,
      "3 consume 1: 1 of #2",
      ["#1: 0 of 5", "#2: 1 of 2"],
    ],
    [
      "a lot until the microsecond before its time",
      ["#1: 5 of 5, expires +1"],
      5n,
      "2 consume 5: 5 of #1",
      ["#1: 0 of 5, expires +1"],
    ],
  ];
  test.each(cases)("%s", (_, lots, points, entry, after) => {
    const { entries, answer, lots: left } = outcome(stateOf(lots), consume(points));
    expect({ entries, answer, left }).toEqual({ entries: [entry], answer: entry, left: after });
  });
});

describe("what is due is booked first, in an entry for each instant", () => {
  const lots = ["#1: 40 of 40, expires now", "#2: 7 of 9, expires -1", "#3: 20 of 20"];
  const booked = ["4 expire 7: 7 of #2", "5 expire 40: 40 of #1"];

  test("by Consume, which can no longer spend it", () => {
    expect(outcome(stateOf(lots), consume(20n))).toEqual({
      entries: [...booked, "6 consume 20: 20 of #3"],
      answer: "6 consume 20: 20 of #3",
      lots: ["#1: 0 of 40, expires now", "#2: 0 of 9, expires -1", "#3: 0 of 20"],
      balance: 0n,
    });
  });

  test("by Recharge, whose lot has the number after it", () => {
    const { entries, lots: after } = outcome(stateOf(lots), recharge(5n));
    expect(entries).toEqual([...booked, "6 recharge 5: 5 of #6"]);
    expect(after).toContain("#6: 5 of 5");
  });

  test("by GetOrCreate, whose answer has no entry", () => {
    const { entries, answer, balance } = outcome(stateOf(lots), { kind: "open", userId: "ada" });
    expect({ entries, answer, balance }).toEqual({
      entries: booked,
      answer: undefined,
      balance: 20n,
    });
  });

  test("by Expire of what is due, which the last of them answers", () => {
    const { entries, answer } = outcome(stateOf(lots), expire(due));
    expect({ entries, answer }).toEqual({ entries: booked, answer: booked[1] });
  });

  test("by Expire of a lot that is due, which then finds nothing left of it", () => {
    const { entries, answer } = outcome(stateOf(lots), expire({ kind: "lot", lot: 1n }));
    expect({ entries, answer }).toEqual({ entries: booked, answer: undefined });
  });

  test("by a command that is refused as well", () => {
    const refused = {
      reason: "INSUFFICIENT_POINTS",
      balance: 20n,
      usable: 20n,
      required: 21n,
      shortfall: 1n,
    };
    const decided = decideAt(stateOf(lots), consume(21n), NOW);
    expect(decided.refused).toEqual(refused);
    expect(decided.entries.map(entryLine)).toEqual(booked);
  });

  test("at its instant, and without a request, for any command", () => {
    const request = { id: "r", hash: new Uint8Array(32) };
    const fingerprint = fingerprintOf(SALT, request);
    const named = {
      request,
      metadata: new Map([["why", "nightly"]]),
      caller: "billing",
      actor: "ana",
    };
    const nameless = { request: undefined, metadata: new Map(), caller: "", actor: "" };
    const dueEntries = [
      { ...nameless, time: NOW - 1n },
      { ...nameless, time: NOW },
    ];
    const command: Command = { kind: "expire", userId: "ada", ...named, target: due };
    expect(decideAt(stateOf(lots), command, NOW + 9n).entries).toMatchObject(dueEntries);
    const { entries } = decideAt(stateOf(lots), { ...consume(1n), ...named }, NOW + 9n);
    expect(entries).toMatchObject([
      ...dueEntries,
      { ...named, request: { id: "r", fingerprint }, time: NOW + 9n },
    ]);
  });
});

describe("Expire takes", () => {
  const lots = ["#1: 10 of 10", "#2: 20 of 20, expires +5"];
  const cases: [
    title: string,
    target: ExpireTarget,
    answer: string | undefined,
    after: string[],
  ][] = [
    [
      "so many points, in burn order",
      { kind: "points", points: 25n },
      "3 expire 25: 20 of #2, 5 of #1",
      ["#1: 5 of 10", "#2: 0 of 20, expires +5"],
    ],
    [
      "all that remains of one lot, due or not",
      { kind: "lot", lot: 1n },
      "3 expire 10: 10 of #1",
      ["#1: 0 of 10", "#2: 20 of 20, expires +5"],
    ],
    ["nothing where nothing is due", due, undefined, lots],
  ];
  test.each(cases)("%s", (_, target, answer, after) => {
    const result = outcome(stateOf(lots), expire(target));
    expect({ answer: result.answer, lots: result.lots }).toEqual({ answer, lots: after });
  });

  test("nothing of a lot that is spent, and succeeds", () => {
    const result = outcome(stateOf(["#1: 0 of 5"]), expire({ kind: "lot", lot: 1n }));
    expect(result).toMatchObject({ entries: [], answer: undefined });
  });
});

describe("Recharge", () => {
  const cases: [title: string, command: Command, lot: string][] = [
    ["without an expiry makes a lot that never expires", recharge(5n), "#2: 5 of 5"],
    [
      "with a ttl counts it from now",
      recharge(5n, { kind: "after", ttl: 60n }, 7),
      "#2: 5 of 5, expires +60, priority 7",
    ],
    [
      "with an expire time keeps it to the microsecond",
      recharge(5n, { kind: "at", time: NOW + 1n }),
      "#2: 5 of 5, expires +1",
    ],
  ];
  test.each(cases)("%s", (_, command, lot) => {
    expect(outcome(stateOf(["#1: 1 of 1"]), command)).toMatchObject({
      answer: "2 recharge 5: 5 of #2",
      lots: ["#1: 1 of 1", lot],
      balance: 6n,
    });
  });

  test("makes the account where there is none", () => {
    expect(outcome(undefined, recharge(5n))).toMatchObject({
      entries: ["1 recharge 5: 5 of #1"],
      balance: 5n,
    });
  });

  test("may reach the last total exactly, and the last instant", () => {
    const almost = withTotal(MAX_TOTAL - 5n);
    expect(decideAt(almost, recharge(5n), NOW).refused).toBeUndefined();
    const ttl = LAST_INSTANT - NOW;
    expect(outcome(undefined, recharge(1n, { kind: "after", ttl }))).toHaveProperty("answer");
  });
});

describe("a command is refused, and changes nothing,", () => {
  const lots = ["#1: 10 of 10", "#2: 5 of 5, expires -3"];
  const insufficient = (balance: bigint, required: bigint) => ({
    reason: "INSUFFICIENT_POINTS",
    balance,
    usable: balance,
    required,
    shortfall: required - balance,
  });
  const cases: [
    title: string,
    before: AccountState | undefined,
    command: Command,
    refusal: object,
  ][] = [
    ["Consume without an account", undefined, consume(1n), noAccount()],
    ["Expire without an account", undefined, expire(due), noAccount()],
    ["Consume of more than there is", stateOf(lots), consume(11n), insufficient(10n, 11n)],
    [
      "Consume of what has expired, to the microsecond",
      stateOf(["#1: 5 of 5, expires now"]),
      consume(1n),
      insufficient(0n, 1n),
    ],
    [
      "Expire of more than there is",
      stateOf(lots),
      expire({ kind: "points", points: 12n }),
      insufficient(10n, 12n),
    ],
    [
      "Expire of a lot that never was",
      stateOf(lots),
      expire({ kind: "lot", lot: 3n }),
      { reason: "LOT_NOT_FOUND", lot: 3n },
    ],
    [
      "Recharge that expires now",
      stateOf(lots),
      recharge(1n, { kind: "at", time: NOW }),
      { reason: "FIELD_INVALID", field: "expire_time", description: "must be after now" },
    ],
    [
      "Recharge of a new account that has expired already",
      undefined,
      recharge(1n, { kind: "at", time: NOW - 1n }),
      { reason: "FIELD_INVALID", field: "expire_time", description: "must be after now" },
    ],
    [
      "Recharge that outlives the year 9999",
      stateOf(lots),
      recharge(1n, { kind: "after", ttl: LAST_INSTANT - NOW + 1n }),
      { reason: "FIELD_INVALID", field: "ttl", description: "must end before the year 10000" },
    ],
    [
      "Recharge past the largest total",
      withTotal(MAX_TOTAL - 4n),
      recharge(5n),
      { reason: "TOTAL_TOO_LARGE", total: "total_recharged", limit: MAX_TOTAL },
    ],
    [
      "Recharge past the largest total with an expiry in the past: for the expiry",
      withTotal(MAX_TOTAL),
      recharge(5n, { kind: "at", time: NOW }),
      { reason: "FIELD_INVALID", field: "expire_time", description: "must be after now" },
    ],
  ];
  test.each(cases)("%s", (_, before, command, refusal) => {
    const frozen = structuredClone(before);
    expect(outcome(before, command)).toEqual({ refused: refusal });
    expect(before).toEqual(frozen);
  });
});

describe("an account is sound only if", () => {
  const sound = stateOf(["#1: 10 of 10", "#2: 5 of 8"]);
  const others = sound.otherLots;
  const cases: [title: string, state: AccountState, invariant: string][] = [
    [
      "its figures add up",
      change(sound, { totalConsumed: 4n }),
      "balance + frozen + total_consumed + total_expired + total_revoked = total_recharged + total_refunded + debt",
    ],
    [
      "its balance is what its lots hold",
      { ...sound, lots: sound.lots.slice(1) },
      "balance = the sum of remaining of all lots",
    ],
    [
      "nothing is left in a lot of which points are claimed",
      { ...sound, revoked: new Map([[sound.lots[0]!.number, { revoked: 1n, claimed: 1n }]]) },
      "a lot of which points are claimed has none remaining",
    ],
    [
      "nothing is frozen outside of lots",
      change(sound, { frozen: 1n, totalConsumed: 2n }),
      "frozen = the sum of frozen of all lots",
    ],
    [
      "no total is below zero",
      change(sound, { totalConsumed: -1n, totalExpired: 4n }),
      "total_consumed >= 0",
    ],
    [
      "its total is not too large",
      withTotal(MAX_TOTAL + 1n),
      "total_recharged + total_refunded + debt <= 2^53 - 1",
    ],
    [
      "no lot is below zero",
      {
        ...sound,
        lots: sound.lots.map((lot, index) => ({
          ...lot,
          remaining: index === 0 ? lot.remaining + 6n : lot.remaining - 6n,
        })),
      },
      "remaining >= 0 and frozen >= 0 in each lot",
    ],
    [
      "its lots are in burn order",
      { ...sound, lots: sound.lots.toReversed() },
      "the lots are in burn order",
    ],
    [
      "the lots that are not loaded have nothing if there are none",
      { ...sound, lots: sound.lots.slice(1), otherLots: { ...others, remaining: 10n } },
      "the other lots have nothing if there are none",
    ],
    [
      "the lots that are not loaded have no less than nothing",
      {
        ...sound,
        lots: stateOf(["#1: 10 of 10", "#2: 6 of 8"]).lots,
        otherLots: { ...others, remaining: -1n },
      },
      "remaining of the other lots >= 0",
    ],
    [
      "the lots that are not loaded are no fewer than none",
      { ...sound, otherLots: { ...others, count: -1 } },
      "the number of the other lots >= 0",
    ],
    [
      "what some services alone may take is a part of what the lots that are not loaded have",
      { ...sound, otherLots: { ...others, scoped: 1n } },
      "0 <= what some services alone may take of the other lots <= their remaining",
    ],
  ];
  test.each(cases)("%s", (_, state, invariant) => {
    expect(() => assertSound(sound)).not.toThrow();
    expect(() => assertSound(state)).toThrow(`account ada breaks an invariant: ${invariant}`);
  });
});

function noAccount() {
  return { reason: "ACCOUNT_NOT_FOUND", userId: "ada" };
}

function withTotal(total: bigint): AccountState {
  const account = {
    ...emptyAccount("ada", { salt: SALT, createTime: NOW }),
    totalRecharged: total,
    totalConsumed: total,
  };
  return bareState(account);
}

function change(state: AccountState, figures: Partial<AccountState["account"]>): AccountState {
  return { ...state, account: { ...state.account, ...figures } };
}
