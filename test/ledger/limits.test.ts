import { describe, expect, test } from "vitest";
import type { Mutation, Shortfall } from "../../src/ledger/command.ts";
import { limitsOn } from "../../src/ledger/limit.ts";
import type { CalendarUnit, Limit } from "../../src/ledger/policy.ts";
import type { Rejection } from "../../src/ledger/rejection.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import {
  by,
  consume,
  deletePolicy,
  expire,
  extendHold,
  freeze,
  FREE,
  NOT_PRICED,
  putPolicy,
  recharge,
  refund,
  release,
  revoke,
  settle,
  settlePart,
  usageOf,
} from "../support/commands.ts";
import { decideAt, entryLine, expectSound, NOW, stateOf, type Step } from "../support/statement.ts";

// NOW is midnight in UTC, on a Thursday that begins a month.
const HOUR = 3_600_000_000n;
const DAY = 24n * HOUR;
const TAKE: Shortfall = "take";
const OWE: Shortfall = "owe";

function limitOf(points: bigint, of: Partial<Limit> = {}): Limit {
  const window = { kind: "calendar", unit: "day", timeZone: "UTC" } as const;
  return { kind: "limit", points, window, member: "", eachMember: false, service: "", ...of };
}

function put(name: string, points: bigint, of: Partial<Limit> = {}): Mutation {
  return putPolicy(name, limitOf(points, of));
}

function credit(points: bigint): Mutation {
  return putPolicy("credit", { kind: "creditLine", points });
}

function per(unit: CalendarUnit, timeZone = "UTC"): Partial<Limit> {
  return { window: { kind: "calendar", unit, timeZone } };
}

const EACH: Partial<Limit> = { eachMember: true };
const TOTAL: Partial<Limit> = { window: { kind: "total" } };

// Each account has a lot of 1,000 points, #1. Its limits are put first, and are not told.
type Case = [title: string, limits: Mutation[], steps: Step[], told: string[]];

const cases: Case[] = [
  [
    "what is spent in a day counts up to the limit, and not beyond",
    [put("day", 50n)],
    [
      [0n, consume(30n)],
      [1n, consume(21n)],
      [2n, consume(20n)],
      [3n, consume(1n)],
    ],
    [
      "3 consume 30: 30 of #1",
      "LIMIT_EXCEEDED day: 30 of 50 spent, 21 more, until +86400000000",
      "4 consume 20: 20 of #1",
      "LIMIT_EXCEEDED day: 50 of 50 spent, 1 more, until +86400000000",
    ],
  ],
  [
    "a day ends at midnight, to the microsecond",
    [put("day", 50n)],
    [
      [5n, consume(50n)],
      [DAY - 1n, consume(1n)],
      [DAY, consume(50n)],
      [DAY + 1n, consume(1n)],
    ],
    [
      "3 consume 50: 50 of #1",
      "LIMIT_EXCEEDED day: 50 of 50 spent, 1 more, until +86400000000",
      "4 consume 50: 50 of #1",
      "LIMIT_EXCEEDED day: 50 of 50 spent, 1 more, until +172800000000",
    ],
  ],
  [
    "at midnight where the limit's time zone is",
    [put("day", 50n, per("day", "Asia/Tokyo"))],
    [
      [0n, consume(50n)],
      [15n * HOUR - 1n, consume(1n)],
      [15n * HOUR, consume(1n)],
    ],
    [
      "3 consume 50: 50 of #1",
      "LIMIT_EXCEEDED day: 50 of 50 spent, 1 more, until +54000000000",
      "4 consume 1: 1 of #1",
    ],
  ],
  [
    "a week ends before Monday",
    [put("week", 50n, per("week"))],
    [
      [0n, consume(50n)],
      [4n * DAY - 1n, consume(1n)],
      [4n * DAY, consume(1n)],
    ],
    [
      "3 consume 50: 50 of #1",
      "LIMIT_EXCEEDED week: 50 of 50 spent, 1 more, until +345600000000",
      "4 consume 1: 1 of #1",
    ],
  ],
  [
    "a month ends before the first day of the next",
    [put("month", 50n, per("month"))],
    [
      [0n, consume(50n)],
      [31n * DAY - 1n, consume(1n)],
      [31n * DAY, consume(1n)],
    ],
    [
      "3 consume 50: 50 of #1",
      "LIMIT_EXCEEDED month: 50 of 50 spent, 1 more, until +2678400000000",
      "4 consume 1: 1 of #1",
    ],
  ],
  [
    "all time never ends",
    [put("all", 50n, TOTAL)],
    [
      [0n, consume(50n)],
      [900n * DAY, consume(1n)],
    ],
    ["3 consume 50: 50 of #1", "LIMIT_EXCEEDED all: 50 of 50 spent, 1 more"],
  ],
  [
    "a limit of nothing suspends the account, but not what is free",
    [put("off", 0n, TOTAL)],
    [
      [0n, consume(1n)],
      [0n, freeze(1n)],
      [0n, consume(FREE)],
      [0n, recharge(5n)],
    ],
    [
      "LIMIT_EXCEEDED off: 0 of 0 spent, 1 more",
      "LIMIT_EXCEEDED off: 0 of 0 spent, 1 more",
      "3 consume 0",
      "4 recharge 5: 5 of #4",
    ],
  ],
  [
    "a Consume that takes what there is stops at the limit, and one that owes is refused",
    [credit(1_000n), put("day", 50n)],
    [
      [0n, consume(60n, OWE)],
      [0n, consume(30n, TAKE)],
      [0n, consume(30n, TAKE)],
      [0n, consume(30n, TAKE)],
    ],
    [
      "LIMIT_EXCEEDED day: 0 of 50 spent, 60 more, until +86400000000",
      "4 consume 30: 30 of #1",
      "5 consume 20, 10 uncovered: 20 of #1",
      "6 consume 0, 30 uncovered",
    ],
  ],
  [
    "what a Consume owes counts",
    [credit(1_000n), put("day", 1_200n)],
    [
      [0n, consume(1_100n, OWE)],
      [0n, consume(101n, OWE)],
      [0n, consume(100n, OWE)],
    ],
    [
      "4 consume 1100, 100 owed: 1000 of #1",
      "LIMIT_EXCEEDED day: 1100 of 1200 spent, 101 more, until +86400000000",
      "5 consume 100, 100 owed",
    ],
  ],
  [
    "a Freeze counts at its instant, and a Settle takes its rest off",
    [put("day", 50n)],
    [
      [0n, freeze(40n)],
      [1n, consume(11n)],
      [2n, settle(3n, 15n)],
      [3n, consume(36n)],
      [4n, consume(35n)],
    ],
    [
      "3 freeze 40 until +50: 40 of #1",
      "LIMIT_EXCEEDED day: 40 of 50 spent, 11 more, until +86400000000",
      "4 settle 15 of hold 3, 25 returned: 15 of #1",
      "LIMIT_EXCEEDED day: 15 of 50 spent, 36 more, until +86400000000",
      "5 consume 35: 35 of #1",
    ],
  ],
  [
    "a Settle that keeps its hold open changes nothing",
    [put("day", 50n)],
    [
      [0n, freeze(40n)],
      [1n, settlePart(3n, 15n)],
      [2n, freeze(11n)],
      [3n, settle(3n, 5n)],
      [4n, freeze(31n)],
      [4n, freeze(30n)],
    ],
    [
      "3 freeze 40 until +50: 40 of #1",
      "4 settle 15 of hold 3, kept open: 15 of #1",
      "LIMIT_EXCEEDED day: 40 of 50 spent, 11 more, until +86400000000",
      "5 settle 5 of hold 3, 20 returned: 5 of #1",
      "LIMIT_EXCEEDED day: 20 of 50 spent, 31 more, until +86400000000",
      "6 freeze 30 until +54: 30 of #1",
    ],
  ],
  [
    "a Release takes its hold off, and so does its time",
    [put("day", 50n)],
    [
      [0n, freeze(50n)],
      [1n, release(3n)],
      [2n, freeze(50n)],
      [51n, freeze(1n)],
      [52n, freeze(50n)],
    ],
    [
      "3 freeze 50 until +50: 50 of #1",
      "4 release 50 of hold 3: 50 of #1",
      "5 freeze 50 until +52: 50 of #1",
      "LIMIT_EXCEEDED day: 50 of 50 spent, 1 more, until +86400000000",
      "6 release 50 of hold 5: 50 of #1",
      "7 freeze 50 until +102: 50 of #1",
    ],
  ],
  [
    "a hold that ended before a day did leaves the next one alone",
    [put("day", 50n)],
    [
      [DAY - 10n, freeze(50n, 5n)],
      [DAY, consume(50n)],
      [DAY, consume(1n)],
    ],
    [
      "3 freeze 50 until +86399999995: 50 of #1",
      "4 release 50 of hold 3: 50 of #1",
      "5 consume 50: 50 of #1",
      "LIMIT_EXCEEDED day: 50 of 50 spent, 1 more, until +172800000000",
    ],
  ],
  [
    "what comes back of yesterday's hold is not taken off today",
    [put("day", 50n)],
    [
      [DAY - 10n, freeze(40n)],
      [DAY - 9n, freeze(10n)],
      [DAY + 1n, consume(30n)],
      [DAY + 2n, settle(3n, 1n)],
      [DAY + 3n, release(4n)],
      [DAY + 4n, consume(21n)],
    ],
    [
      "3 freeze 40 until +86400000040: 40 of #1",
      "4 freeze 10 until +86400000041: 10 of #1",
      "5 consume 30: 30 of #1",
      "6 settle 1 of hold 3, 39 returned: 1 of #1",
      "7 release 10 of hold 4: 10 of #1",
      "LIMIT_EXCEEDED day: 30 of 50 spent, 21 more, until +172800000000",
    ],
  ],
  [
    "an ExtendHold counts what it adds, for its hold's member and service",
    [put("each", 50n, { ...EACH, service: "tts" })],
    [
      [0n, by("bob", freeze(usageOf("tts", 30n)))],
      [1n, extendHold(3n, { more: 21n })],
      [2n, extendHold(3n, { more: 20n })],
      [3n, by("bob", consume(usageOf("tts", 1n)))],
      [3n, by("eve", consume(usageOf("tts", 1n)))],
      [4n, settle(3n, 10n)],
      [5n, by("bob", consume(usageOf("tts", 41n)))],
      [5n, by("bob", consume(usageOf("tts", 40n)))],
    ],
    [
      "3 freeze 30 until +50 by bob: 30 of #1",
      "LIMIT_EXCEEDED each: 30 of 50 spent, 21 more, until +86400000000",
      "4 extend 20 for hold 3 until +50 by bob: 20 of #1",
      "LIMIT_EXCEEDED each: 50 of 50 spent, 1 more, until +86400000000",
      "5 consume 1 by eve: 1 of #1",
      "6 settle 10 of hold 3, 40 returned by bob: 10 of #1",
      "LIMIT_EXCEEDED each: 10 of 50 spent, 41 more, until +86400000000",
      "7 consume 40 by bob: 40 of #1",
    ],
  ],
  [
    "a Settle beyond its hold stops at the limit",
    [put("day", 50n)],
    [
      [0n, freeze(30n)],
      [1n, settle(3n, 60n)],
      [2n, settle(3n, 60n, TAKE)],
      [3n, consume(1n)],
    ],
    [
      "3 freeze 30 until +50: 30 of #1",
      "HOLD_EXCEEDED",
      "4 settle 50 of hold 3, 20 beyond it, 10 uncovered: 30 of #1, 20 of #1",
      "LIMIT_EXCEEDED day: 50 of 50 spent, 1 more, until +86400000000",
    ],
  ],
  [
    "one that owes passes it, and then nothing can be spent until the window ends",
    [credit(1_000n), put("day", 50n)],
    [
      [0n, freeze(30n)],
      [1n, settle(4n, 1_200n, OWE)],
      [2n, consume(1n)],
      [3n, consume(1n, TAKE)],
      [4n, consume(FREE)],
      [DAY, consume(1n, OWE)],
    ],
    [
      "4 freeze 30 until +50: 30 of #1",
      "5 settle 1200 of hold 4, 970 beyond it, 200 owed: 30 of #1, 970 of #1",
      "LIMIT_EXCEEDED day: 1200 of 50 spent, 1 more, until +86400000000",
      "6 consume 0, 1 uncovered",
      "7 consume 0",
      "8 consume 1, 1 owed",
    ],
  ],
  [
    "each member has a count of their own, and what nobody is said to spend has none",
    [put("each", 50n, EACH)],
    [
      [0n, by("bob", consume(50n))],
      [1n, by("eve", freeze(50n))],
      [2n, by("bob", consume(1n))],
      [3n, by("eve", consume(1n))],
      [4n, consume(100n)],
    ],
    [
      "3 consume 50 by bob: 50 of #1",
      "4 freeze 50 until +51 by eve: 50 of #1",
      "LIMIT_EXCEEDED each: 50 of 50 spent, 1 more, until +86400000000",
      "LIMIT_EXCEEDED each: 50 of 50 spent, 1 more, until +86400000000",
      "5 consume 100: 100 of #1",
    ],
  ],
  [
    "a limit of one member, and one of a service, bind no other spending",
    [put("bob", 50n, { member: "bob" }), put("tts", 50n, { service: "tts" })],
    [
      [0n, by("bob", consume(50n))],
      [1n, by("bob", consume(usageOf("tts", 1n)))],
      [2n, by("eve", consume(usageOf("tts", 50n)))],
      [3n, by("eve", consume(usageOf("tts", 1n)))],
      [4n, by("eve", consume(usageOf("ocr", 100n)))],
      [5n, consume(100n)],
    ],
    [
      "4 consume 50 by bob: 50 of #1",
      "LIMIT_EXCEEDED bob: 50 of 50 spent, 1 more, until +86400000000",
      "5 consume 50 by eve: 50 of #1",
      "LIMIT_EXCEEDED tts: 50 of 50 spent, 1 more, until +86400000000",
      "6 consume 100 by eve: 100 of #1",
      "7 consume 100: 100 of #1",
    ],
  ],
  [
    "all limits that bind must hold: the first by name says no",
    [put("b", 40n), put("c", 30n, per("month")), put("a", 60n, per("week"))],
    [
      [0n, consume(35n)],
      [0n, consume(61n)],
      [0n, consume(30n)],
      [0n, consume(50n, TAKE)],
    ],
    [
      "LIMIT_EXCEEDED c: 0 of 30 spent, 35 more, until +2678400000000",
      "LIMIT_EXCEEDED a: 0 of 60 spent, 61 more, until +345600000000",
      "5 consume 30: 30 of #1",
      "6 consume 0, 50 uncovered",
    ],
  ],
  [
    "a Refund takes off what was spent in this window, by the member and on the service that spent it",
    [put("each", 50n, { ...EACH, service: "tts" })],
    [
      [0n, by("bob", consume(usageOf("tts", 50n)))],
      [1n, refund(3n, 20n)],
      [2n, by("bob", consume(usageOf("tts", 21n)))],
      [3n, refund(3n)],
      [4n, by("bob", consume(usageOf("tts", 50n)))],
    ],
    [
      "3 consume 50 by bob: 50 of #1",
      "4 refund 20 of entry 3 by bob: 20 of #1",
      "LIMIT_EXCEEDED each: 30 of 50 spent, 21 more, until +86400000000",
      "5 refund 30 of entry 3 by bob: 30 of #1",
      "6 consume 50 by bob: 50 of #1",
    ],
  ],
  [
    "a Refund of what was spent yesterday takes nothing off today",
    [put("day", 50n)],
    [
      [0n, consume(50n)],
      [DAY, consume(40n)],
      [DAY, refund(3n)],
      [DAY, consume(11n)],
    ],
    [
      "3 consume 50: 50 of #1",
      "4 consume 40: 40 of #1",
      "5 refund 50 of entry 3: 50 of #1",
      "LIMIT_EXCEEDED day: 40 of 50 spent, 11 more, until +172800000000",
    ],
  ],
  [
    "a Refund of a Settle goes by the Freeze of its hold",
    [put("day", 50n)],
    [
      [0n, freeze(20n)],
      [1n, settle(3n)],
      [2n, refund(4n)],
      [DAY - 1n, freeze(20n)],
      [DAY + 1n, consume(30n)],
      [DAY + 2n, settle(6n)],
      [DAY + 3n, refund(8n)],
      [DAY + 4n, consume(21n)],
    ],
    [
      "3 freeze 20 until +50: 20 of #1",
      "4 settle 20 of hold 3: 20 of #1",
      "5 refund 20 of entry 4: 20 of #1",
      "6 freeze 20 until +86400000049: 20 of #1",
      "7 consume 30: 30 of #1",
      "8 settle 20 of hold 6: 20 of #1",
      "9 refund 20 of entry 8: 20 of #1",
      "LIMIT_EXCEEDED day: 30 of 50 spent, 21 more, until +172800000000",
    ],
  ],
  [
    "what was spent or set aside before a limit was put neither counts nor is taken off",
    [],
    [
      [0n, consume(30n)],
      [0n, freeze(30n)],
      [1n, put("day", 50n)],
      [2n, consume(40n)],
      [3n, refund(2n)],
      [4n, release(3n)],
      [5n, consume(11n)],
    ],
    [
      "2 consume 30: 30 of #1",
      "3 freeze 30 until +50: 30 of #1",
      "4 setPolicy 0",
      "5 consume 40: 40 of #1",
      "6 refund 30 of entry 2: 30 of #1",
      "7 release 30 of hold 3: 30 of #1",
      "LIMIT_EXCEEDED day: 40 of 50 spent, 11 more, until +86400000000",
    ],
  ],
  [
    "a limit of other points goes on counting; one that counts otherwise begins anew",
    [put("day", 50n)],
    [
      [0n, consume(50n)],
      [1n, put("day", 60n)],
      [2n, consume(11n)],
      [3n, put("day", 60n, per("week"))],
      [4n, consume(60n)],
      [5n, refund(3n)],
      [6n, consume(1n)],
    ],
    [
      "3 consume 50: 50 of #1",
      "4 setPolicy 0",
      "LIMIT_EXCEEDED day: 50 of 60 spent, 11 more, until +86400000000",
      "5 setPolicy 0",
      "6 consume 60: 60 of #1",
      "7 refund 50 of entry 3: 50 of #1",
      "LIMIT_EXCEEDED day: 60 of 60 spent, 1 more, until +345600000000",
    ],
  ],
  [
    "a limit that ended binds nobody, and one of its name counts anew",
    [put("all", 50n, TOTAL)],
    [
      [0n, consume(50n)],
      [1n, deletePolicy("all")],
      [2n, consume(50n)],
      [3n, put("all", 50n, TOTAL)],
      [4n, consume(50n)],
      [5n, consume(1n)],
    ],
    [
      "3 consume 50: 50 of #1",
      "4 setPolicy 0",
      "5 consume 50: 50 of #1",
      "6 setPolicy 0",
      "7 consume 50: 50 of #1",
      "LIMIT_EXCEEDED all: 50 of 50 spent, 1 more",
    ],
  ],
  [
    "Recharge, Expire and Revoke count nothing, nor does a Refund of a Revoke",
    [put("day", 50n)],
    [
      [0n, consume(20n)],
      [1n, expire({ kind: "points", points: 100n })],
      [2n, revoke(100n)],
      [3n, refund(5n)],
      [4n, recharge(1n)],
      [5n, consume(31n)],
      [6n, consume(30n)],
    ],
    [
      "3 consume 20: 20 of #1",
      "4 expire 100: 100 of #1",
      "5 revoke 100: 100 of #1",
      "6 refund 100 of entry 5: 100 of #1",
      "7 recharge 1: 1 of #7",
      "LIMIT_EXCEEDED day: 20 of 50 spent, 31 more, until +86400000000",
      "8 consume 30: 30 of #1",
    ],
  ],
  [
    "an allowed command of a window without a count writes none, if it spends nothing",
    [put("day", 50n)],
    [
      [0n, consume(FREE)],
      [1n, freeze(FREE)],
      [2n, extendHold(4n, { more: 50n })],
      [3n, consume(1n)],
    ],
    [
      "3 consume 0",
      "4 freeze 0 until +51",
      "5 extend 50 for hold 4 until +51: 50 of #1",
      "LIMIT_EXCEEDED day: 50 of 50 spent, 1 more, until +86400000000",
    ],
  ],
];

describe("limits", () => {
  test.each(cases)("%s", (_, limits, steps, told) => {
    expect(tell(limits, steps)).toEqual(told);
  });
});

// Each command is refused for two reasons; the first check says so. The limit leaves 10 points.
type Pair = [reason: Rejection["reason"], before: Step[], command: Mutation];

const pairs: Pair[] = [
  ["HOLD_NOT_FOUND", [], extendHold(9n, { more: 11n })],
  ["HOLD_CLOSED", [[0n, freeze(10n)], [0n, release(3n)]], extendHold(3n, { more: 11n })], // prettier-ignore
  ["SERVICE_NOT_PRICED", [[0n, consume(10n)]], consume(NOT_PRICED)],
  ["PERMISSION_DENIED", [], { ...consume(11n), maxPoints: 10n }],
  ["PERMISSION_DENIED", [], { ...freeze(11n), maxPoints: 10n }],
  ["FIELD_INVALID", [], freeze(11n, 1_000n * DAY)],
  ["FIELD_INVALID", [[0n, freeze(usageOf("tts", 1n))]], extendHold(3n, { more: usageOf("ocr", 10n) })], // prettier-ignore
  ["LIMIT_EXCEEDED", [], consume(2_000n)],
  ["LIMIT_EXCEEDED", [], freeze(2_000n)],
  ["LIMIT_EXCEEDED", [[0n, freeze(1n)]], extendHold(3n, { more: 2_000n })],
  ["LIMIT_EXCEEDED", [[0n, freeze(1n)]], extendHold(3n, { more: 1_000_000_000_000n })],
  ["HOLD_EXCEEDED", [[0n, freeze(10n)]], settle(3n, 20n)],
];

describe("of two reasons to refuse, the earlier check's is told", () => {
  test.each(pairs)("%s, %#", (reason, before, command) => {
    const state = after([put("day", 10n)], before);
    expect(decideAt(state, command, NOW + 1n).refused?.reason).toBe(reason);
  });
});

test("a refusal leaves the counts as they are", () => {
  const state = after([put("day", 50n)], [[0n, consume(30n)]]);
  const refused = decideAt(state, consume(21n), NOW);
  expect(refused.state!.policies).toBe(state.policies);
});

test("what a limit has spent is shown as of now", () => {
  const state = after([put("day", 50n), put("each", 40n, EACH)], [[0n, by("bob", consume(30n))]]);
  const shown = (at: bigint, member: string) =>
    limitsOn(state.policies, { service: null, member }, NOW + at).map(
      ({ name, spent, points, resetsTime }) => `${name} ${spent}/${points} +${resetsTime! - NOW}`,
    );
  expect(shown(DAY - 1n, "bob")).toEqual(["day 30/50 +86400000000", "each 30/40 +86400000000"]);
  expect(shown(DAY - 1n, "eve")).toEqual(["day 30/50 +86400000000", "each 0/40 +86400000000"]);
  expect(shown(DAY, "bob")).toEqual(["day 0/50 +172800000000", "each 0/40 +172800000000"]);
  expect(shown(0n, "")).toEqual(["day 30/50 +86400000000"]);
});

test("what a settle takes beyond a hold of points counts for the service that it used", () => {
  const state = after(
    [put("films", 40n, { service: "video" })],
    [
      [0n, freeze(1n)],
      [1n, settle(3n, usageOf("video", 900n), TAKE)],
    ],
  );
  const { totalConsumed } = state.account;
  expect([totalConsumed, spentOf(state, 2n, "video")]).toEqual([41n, ["films 40"]]);
  const back = decideAt(state, refund(4n, 30n), NOW + 2n).state!;
  expect(spentOf(back, 3n, "video")).toEqual(["films 10"]);
  // The last point was the hold's, which did not count.
  const all = decideAt(back, refund(4n, 11n), NOW + 3n).state!;
  expect(spentOf(all, 4n, "video")).toEqual(["films 0"]);
});

test("a refund takes off what a settle took beyond a hold of yesterday", () => {
  const state = after(
    [put("day", 100n)],
    [
      [DAY - 1n, freeze(10n)],
      [DAY + 1n, settle(3n, 60n, TAKE)],
    ],
  );
  expect(spentOf(state, DAY + 2n)).toEqual(["day 50"]);
  expect(spentOf(decideAt(state, refund(4n), NOW + DAY + 2n).state!, DAY + 3n)).toEqual(["day 0"]);
});

function spentOf(state: AccountState, at: bigint, service: string | null = null): string[] {
  const limits = limitsOn(state.policies, { service, member: "" }, NOW + at);
  return limits.map(({ name, spent }) => `${name} ${spent}`);
}

function after(limits: readonly Mutation[], steps: readonly Step[]): AccountState {
  const all: Step[] = [...limits.map((one) => [0n, one] as const), ...steps];
  return all.reduce<AccountState>(
    (state, [at, command]) => {
      const applied = decideAt(state, command, NOW + at);
      if (applied.refused !== undefined) throw new Error(applied.refused.reason);
      return applied.state;
    },
    stateOf(["#1: 1000 of 1000"]),
  );
}

/** What becomes of each command: its entries as lines, or its refusal. */
function tell(limits: readonly Mutation[], steps: readonly Step[]): string[] {
  let state = after(limits, []);
  return steps.flatMap(([at, command]) => {
    const applied = decideAt(state, command, NOW + at);
    state = applied.state!;
    expectSound(state);
    const lines = applied.entries.map((entry) => {
      const [what, ...lots] = entryLine(entry).split(": ");
      return [`${what}${entry.member === "" ? "" : ` by ${entry.member}`}`, ...lots].join(": ");
    });
    return applied.refused === undefined ? lines : [...lines, refusalLine(applied.refused)];
  });
}

function refusalLine(refusal: Rejection): string {
  if (refusal.reason !== "LIMIT_EXCEEDED") return refusal.reason;
  const { reason, limit, spent, points, required, resetsTime } = refusal;
  const until = resetsTime === undefined ? "" : `, until +${resetsTime - NOW}`;
  return `${reason} ${limit}: ${spent} of ${points} spent, ${required} more${until}`;
}
