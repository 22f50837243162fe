import { describe, expect, test } from "vitest";
import type { Mutation } from "../../src/ledger/command.ts";
import { countOf } from "../../src/ledger/counts.ts";
import type { Allowance, Limit, PolicyState } from "../../src/ledger/policy.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import {
  consume,
  deletePolicy,
  DUE,
  expire,
  extendHold,
  freeze,
  OWE,
  putPolicy,
  recharge,
  refund,
  release,
  settle,
  settlePart,
} from "../support/commands.ts";
import { decideAt, NOW, outcome, play, stateOf, type Step } from "../support/statement.ts";

const DAY = 86_400_000_000n;

/** An allowance of 5 points a day, from ten days after NOW on. */
function daily(of: Partial<Allowance> = {}): Allowance {
  return {
    kind: "allowance",
    points: 5n,
    every: { count: 1, unit: "day" },
    startTime: NOW + 10n * DAY,
    timeZone: "UTC",
    life: { kind: "periods", count: 1 },
    priority: 0,
    category: "",
    services: [],
    endTime: null,
    ...of,
  };
}

function limitOf(points: bigint, of: Partial<Limit> = {}): Limit {
  const window = { kind: "calendar", unit: "day", timeZone: "UTC" } as const;
  return { kind: "limit", points, window, member: "", eachMember: false, service: "", ...of };
}

const credit = (points: bigint) => ({ kind: "creditLine", points }) as const;
const below = (points: bigint) => ({ kind: "alert", below: points }) as const;

/** Each policy as a line: "free: allowance of #1, period 3 at +5", "day: limit of #2, ended". */
function policyLines({ policies }: AccountState): string[] {
  return policies.map((policy) => {
    const { name, rule, sequence, ended } = policy;
    return `${name}: ${rule.kind} of #${sequence}${standing(policy)}${ended ? ", ended" : ""}`;
  });
}

function standing({ next, counts }: PolicyState): string {
  const spent = countOf(counts, "")?.spent;
  const count = spent === undefined ? "" : `, ${spent} spent`;
  if (next === undefined) return count;
  const at = next.time === null ? "never" : `at +${next.time - NOW}`;
  return `${count}, period ${next.period} ${at}`;
}

describe("PutPolicy and DeletePolicy:", () => {
  type Case = [title: string, steps: Step[], policies: string[]];
  const cases: Case[] = [
    [
      "a policy is set, and makes the account",
      [[0n, putPolicy("credit", credit(5n))]],
      ["credit: creditLine of #1"],
    ],
    [
      "policies are in the order of their names",
      [
        [0n, putPolicy("low", below(5n))],
        [0n, putPolicy("credit", credit(5n))],
        [0n, putPolicy("Zulu", limitOf(9n))],
      ],
      ["Zulu: limit of #3", "credit: creditLine of #2", "low: alert of #1"],
    ],
    [
      "one of the same name takes its place",
      [
        [0n, putPolicy("credit", credit(5n))],
        [1n, putPolicy("credit", credit(9n))],
      ],
      ["credit: creditLine of #2"],
    ],
    [
      "one that ends is no more",
      [
        [0n, putPolicy("credit", credit(5n))],
        [0n, putPolicy("low", below(5n))],
        [1n, deletePolicy("credit")],
      ],
      ["low: alert of #2"],
    ],
    [
      "its name may then be another kind's",
      [
        [0n, putPolicy("x", credit(5n))],
        [1n, deletePolicy("x")],
        [2n, putPolicy("x", below(5n))],
      ],
      ["x: alert of #3"],
    ],
    [
      "an allowance begins at its start",
      [[0n, putPolicy("free", daily())]],
      [`free: allowance of #1, period 0 at +${10n * DAY}`],
    ],
    [
      "a changed one begins with its first period that is not before the other's next",
      [
        [0n, putPolicy("free", daily())],
        [1n, putPolicy("free", daily({ startTime: NOW + 3n, points: 9n }))],
      ],
      [`free: allowance of #2, period 10 at +${10n * DAY + 3n}`],
    ],
    [
      "or at the other's next, if one of its own begins then",
      [
        [0n, putPolicy("free", daily())],
        [1n, putPolicy("free", daily({ startTime: NOW + DAY }))],
      ],
      [`free: allowance of #2, period 9 at +${10n * DAY}`],
    ],
    [
      "or later, at its own start",
      [
        [0n, putPolicy("free", daily())],
        [1n, putPolicy("free", daily({ startTime: NOW + 11n * DAY }))],
      ],
      [`free: allowance of #2, period 0 at +${11n * DAY}`],
    ],
    [
      "an allowance that has ended bounds the next of its name",
      [
        [0n, putPolicy("free", daily())],
        [1n, deletePolicy("free")],
        [2n, putPolicy("free", daily({ startTime: NOW + 2n }))],
      ],
      [`free: allowance of #3, period 10 at +${10n * DAY + 2n}`],
    ],
    [
      "and is kept until then",
      [
        [0n, putPolicy("free", daily())],
        [1n, deletePolicy("free")],
      ],
      [`free: allowance of #2, period 0 at +${10n * DAY}, ended`],
    ],
    [
      "from its next period's first instant on it is forgotten",
      [
        [0n, putPolicy("free", daily({ startTime: NOW + 5n }))],
        [1n, deletePolicy("free")],
        [5n, putPolicy("free", daily({ startTime: NOW + 6n }))],
      ],
      ["free: allowance of #3, period 0 at +6"],
    ],
    [
      "a period earlier it is not",
      [
        [0n, putPolicy("free", daily({ startTime: NOW + 5n }))],
        [1n, deletePolicy("free")],
        [4n, putPolicy("free", daily({ startTime: NOW + 4n }))],
      ],
      [`free: allowance of #3, period 1 at +${DAY + 4n}`],
    ],
    [
      "no period begins when an allowance ends",
      [[0n, putPolicy("free", daily({ endTime: NOW + 10n * DAY + 1n }))]],
      [`free: allowance of #1, period 0 at +${10n * DAY}`],
    ],
    [
      "one that ends before the other's next period gives nothing",
      [
        [0n, putPolicy("free", daily())],
        [1n, putPolicy("free", daily({ startTime: NOW + DAY, endTime: NOW + 10n * DAY }))],
      ],
      ["free: allowance of #2, period 9 never"],
    ],
    [
      "a limit with other points goes on counting",
      [
        [0n, recharge(9n)],
        [0n, putPolicy("day", limitOf(9n))],
        [1n, consume(4n)],
        [2n, putPolicy("day", limitOf(5n))],
      ],
      ["day: limit of #4, 4 spent"],
    ],
    [
      "one of another service counts anew",
      [
        [0n, recharge(9n)],
        [0n, putPolicy("day", limitOf(9n))],
        [1n, consume(4n)],
        [2n, putPolicy("day", limitOf(9n, { service: "tts" }))],
      ],
      ["day: limit of #4"],
    ],
    [
      "so does one of another window",
      [
        [0n, recharge(9n)],
        [0n, putPolicy("day", limitOf(9n))],
        [1n, consume(4n)],
        [2n, putPolicy("day", limitOf(9n, { window: { kind: "total" } }))],
      ],
      ["day: limit of #4"],
    ],
    [
      "and one that is put again after its end",
      [
        [0n, recharge(9n)],
        [0n, putPolicy("day", limitOf(9n))],
        [1n, consume(4n)],
        [2n, deletePolicy("day")],
        [3n, putPolicy("day", limitOf(9n))],
      ],
      ["day: limit of #5"],
    ],
  ];
  test.each(cases)("%s", (_, steps, policies) => {
    expect(policyLines(play(undefined, steps).state)).toEqual(policies);
  });

  test("their entries say the rule, from its start on, or that it ended", () => {
    const asked = { ...daily(), startTime: undefined };
    const put = decideAt(undefined, putPolicy("free", asked), NOW);
    const said = { name: "free", rule: daily({ startTime: NOW }) };
    expect(put.entries[0]).toMatchObject({ kind: "setPolicy", points: 0n, policy: said });
    const ended = play(put.state, [[1n, deletePolicy("free")]]);
    expect(ended.entry).toMatchObject({ points: 0n, policy: { name: "free", rule: null } });
  });

  test("an entry is about the member of its limit", () => {
    const put = putPolicy("bea", limitOf(5n, { member: "bea" }));
    expect(decideAt(undefined, put, NOW).entries[0]).toMatchObject({ member: "bea" });
  });
});

describe("is refused:", () => {
  const field = (name: string) => ({ reason: "FIELD_INVALID", field: name });
  type Case = [title: string, steps: Step[], command: Mutation, refused: object];
  const cases: Case[] = [
    [
      "another kind of rule under a name",
      [[0n, putPolicy("x", credit(5n))]],
      putPolicy("x", below(5n)),
      { ...field("policy"), description: expect.stringContaining("credit_line") },
    ],
    [
      "the same while an ended allowance is kept",
      [
        [0n, putPolicy("x", daily())],
        [1n, deletePolicy("x")],
      ],
      putPolicy("x", below(5n)),
      field("policy"),
    ],
    [
      "an allowance that began before now",
      [],
      putPolicy("x", daily({ startTime: NOW + 4n })),
      field("policy.allowance.start_time"),
    ],
    [
      "one that ends when it starts",
      [],
      putPolicy("x", daily({ endTime: NOW + 10n * DAY })),
      field("policy.allowance.end_time"),
    ],
    [
      "one in a time zone that there is not",
      [],
      putPolicy("x", daily({ timeZone: "Europe/Atlantis" })),
      field("policy.allowance.time_zone"),
    ],
    [
      "a limit in such a zone",
      [],
      putPolicy(
        "x",
        limitOf(5n, { window: { kind: "calendar", unit: "day", timeZone: "Berlin" } }),
      ),
      field("policy.limit.window.time_zone"),
    ],
    [
      "the end of a policy that there is not",
      [[0n, putPolicy("x", credit(5n))]],
      deletePolicy("X"),
      { reason: "POLICY_NOT_FOUND", name: "X" },
    ],
    [
      "the end of one that has ended",
      [
        [0n, putPolicy("x", daily())],
        [1n, deletePolicy("x")],
      ],
      deletePolicy("x"),
      { reason: "POLICY_NOT_FOUND", name: "x" },
    ],
  ];
  test.each(cases)("%s", (_, steps, command, refused) => {
    const { state } = play(undefined, [[0n, recharge(1n)], ...steps]);
    expect(decideAt(state, command, NOW + 5n).refused).toMatchObject(refused);
  });

  test("the end of a policy of nobody", () => {
    expect(outcome(undefined, deletePolicy("x"))).toMatchObject({
      refused: { reason: "ACCOUNT_NOT_FOUND" },
    });
  });
});

describe("a caller's number of points at most", () => {
  const maxPoints = 9n;

  test.each([
    ["a period's points", putPolicy("plan", daily({ points: 10n }))],
    ["a credit line", putPolicy("credit", credit(10n))],
  ])("bounds %s", (_, command) => {
    const asked: Mutation = { ...command, maxPoints };
    const refused = { reason: "PERMISSION_DENIED", maxPoints, required: 10n };
    expect(outcome(undefined, asked)).toMatchObject({ refused });
    expect(outcome(undefined, { ...asked, maxPoints: 10n })).toHaveProperty(
      "answer",
      "1 setPolicy 0",
    );
  });

  test("bounds neither limits nor alerts, which give nothing", () => {
    for (const rule of [limitOf(10n), below(10n)]) {
      const asked: Mutation = { ...putPolicy("one", rule), maxPoints };
      expect(outcome(undefined, asked)).toHaveProperty("answer", "1 setPolicy 0");
    }
  });
});

describe("an account with 32 policies", () => {
  const names = Array.from({ length: 32 }, (_, at) => `p-${at}`);
  const { state: full } = play(
    undefined,
    names.map((name): Step => [0n, putPolicy(name, credit(1n))]),
  );

  test("gets no 33rd", () => {
    expect(outcome(full, putPolicy("one more", credit(1n)))).toEqual({
      refused: { reason: "ACCOUNT_FULL", full: "policies", limit: 32 },
    });
  });

  test("may change each", () => {
    const { state } = play(full, [[1n, putPolicy("p-7", credit(2n))]]);
    expect(state.policies).toHaveLength(32);
  });

  test("gets another once one has ended", () => {
    const { state } = play(full, [
      [1n, deletePolicy("p-7")],
      [2n, putPolicy("one more", credit(1n))],
    ]);
    expect(state.policies).toHaveLength(32);
  });
});

test("ended allowances that still bound their names count, up to 64 policies in all", () => {
  const ended = Array.from({ length: 64 }, (_, at): Step[] => [
    [0n, putPolicy(`a-${at}`, daily())],
    [0n, deletePolicy(`a-${at}`)],
  ]);
  const { state } = play(undefined, ended.flat());
  expect(state.policies).toHaveLength(64);
  const another = putPolicy("another", credit(1n));
  expect(outcome(state, another)).toMatchObject({ refused: { reason: "ACCOUNT_FULL" } });
  const again = play(state, [[1n, putPolicy("a-7", daily())]]);
  expect(again.state.policies).toHaveLength(64);
  // Once their next periods would have begun, they bound nothing any more.
  const later = play(state, [[10n * DAY, another]]);
  expect(policyLines(later.state)).toEqual(["another: creditLine of #129"]);
});

describe("an alert is on the entry by which the account falls below its number:", () => {
  const LOW = putPolicy("low", below(50n));
  const LOTS = ["#1: 90 of 90"];
  type Case = [title: string, lots: string[], steps: Step[], alerts: string[]];
  const cases: Case[] = [
    [
      "once",
      LOTS,
      [
        [0n, LOW],
        [1n, consume(41n)],
        [2n, consume(1n)],
        [3n, consume(1n)],
      ],
      ["3: low"],
    ],
    [
      "not at the number itself",
      LOTS,
      [
        [0n, LOW],
        [1n, consume(40n)],
      ],
      [],
    ],
    [
      "points that are held count as there, until they are spent",
      LOTS,
      [
        [0n, LOW],
        [1n, freeze(60n)],
        [2n, settlePart(3n, 40n)],
        [3n, settlePart(3n, 1n)],
        [4n, settle(3n, 1n)],
      ],
      ["5: low"],
    ],
    [
      "a hold that is extended or released sets off nothing",
      LOTS,
      [
        [0n, LOW],
        [1n, freeze(60n)],
        [2n, extendHold(3n, { more: 20n })],
        [3n, release(3n)],
      ],
      [],
    ],
    [
      "points that expire by themselves do",
      ["#1: 90 of 90, expires +5"],
      [
        [0n, LOW],
        [9n, expire(DUE)],
      ],
      ["3: low"],
    ],
    [
      "what comes back makes it ready again",
      LOTS,
      [
        [0n, LOW],
        [1n, consume(50n)],
        [2n, refund(3n)],
        [3n, consume(41n)],
      ],
      ["3: low", "5: low"],
    ],
    [
      "an account that is below it already has to rise first",
      LOTS,
      [
        [0n, consume(60n)],
        [1n, LOW],
        [2n, consume(1n)],
        [3n, recharge(60n)],
        [4n, consume(60n)],
      ],
      ["6: low"],
    ],
    [
      "to raise the number of an alert is no fall",
      LOTS,
      [
        [0n, LOW],
        [1n, consume(30n)],
        [2n, putPolicy("low", below(70n))],
        [3n, consume(1n)],
      ],
      [],
    ],
    [
      "several on one entry, by name",
      LOTS,
      [
        [0n, LOW],
        [0n, putPolicy("Empty", below(1n))],
        [0n, putPolicy("last", below(20n))],
        [1n, consume(75n)],
        [2n, consume(15n)],
      ],
      ["5: last low", "6: Empty"],
    ],
    [
      "debt counts, below 0 too",
      LOTS,
      [
        [0n, putPolicy("credit", credit(100n))],
        [0n, putPolicy("debt", below(-10n))],
        [1n, consume(100n, OWE)],
        [2n, consume(1n, OWE)],
      ],
      ["5: debt"],
    ],
    [
      "one that has ended is silent",
      LOTS,
      [
        [0n, LOW],
        [0n, deletePolicy("low")],
        [1n, consume(90n)],
      ],
      [],
    ],
  ];
  test.each(cases)("%s", (_, lots, steps, alerts) => {
    const told: string[] = [];
    let state = stateOf(lots);
    for (const [at, command] of steps) {
      const decided = decideAt(state, command, NOW + at);
      expect(decided.refused).toBeUndefined();
      state = decided.state!;
      for (const entry of decided.entries) {
        if (entry.alerts.length > 0) told.push(`${entry.sequence}: ${entry.alerts.join(" ")}`);
      }
    }
    expect(told).toEqual(alerts);
  });
});

describe("a credit line", () => {
  const LOTS = ["#1: 30 of 30"];
  const spend = (points: bigint) => consume(points, OWE);

  test("of several, the largest counts, whatever their names", () => {
    const { state } = play(stateOf(LOTS), [
      [0n, putPolicy("a", credit(5n))],
      [0n, putPolicy("b", credit(20n))],
      [0n, putPolicy("c", credit(7n))],
    ]);
    expect(outcome(state, spend(51n))).toMatchObject({ refused: { shortfall: 1n } });
    expect(play(state, [[1n, spend(50n)]]).state.account.debt).toBe(20n);
  });

  test("that is lowered below the debt lets nothing more be owed, and the debt stays", () => {
    const { state, journal } = play(stateOf(LOTS), [
      [0n, putPolicy("a", credit(20n))],
      [1n, spend(45n)],
      [2n, putPolicy("a", credit(10n))],
      [3n, recharge(3n)],
    ]);
    expect(journal.at(-1)).toBe("5 recharge 3, 3 repaid");
    expect(state.account.debt).toBe(12n);
    expect(outcome(state, spend(1n))).toMatchObject({ refused: { shortfall: 1n } });
  });

  test("that has ended lets nothing be owed", () => {
    const { state } = play(stateOf(LOTS), [
      [0n, putPolicy("a", credit(20n))],
      [1n, deletePolicy("a")],
    ]);
    expect(outcome(state, spend(31n))).toMatchObject({ refused: { shortfall: 1n } });
  });
});
