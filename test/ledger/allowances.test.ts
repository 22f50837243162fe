import { describe, expect, test } from "vitest";
import { type Answer, answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import { bookDue, dueTimeOf } from "../../src/ledger/due.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import { MAX_OPEN_LOTS } from "../../src/ledger/lot.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { usersOnTrial } from "../../src/ledger/trial.ts";
import { usersVisited } from "../../src/ledger/visit.ts";
import { DAY, daily, SWEEP } from "../support/allowances.ts";
import {
  consume,
  freeze,
  recharge,
  rechargeFor,
  deletePolicy,
  putPolicy,
  OWE,
} from "../support/commands.ts";
import { NO_REPEATS } from "../support/salts.ts";
import { decideAt, entryLine, expectSound, NOW, stateOf } from "../support/statement.ts";

/** A command, and its time in days after NOW. */
type Step = readonly [day: number, command: Command];

describe("an allowance gives points at the first instant of each period", () => {
  const cases: [title: string, lots: string[], steps: Step[], journal: string[]][] = [
    [
      "the first of them as it is put",
      [],
      [[0, putPolicy("free", daily())]],
      ["0 1 setPolicy 0", "0 2 recharge 10 by free until 1: 10 of #2"],
    ],
    [
      "and those that somebody lives to see",
      [],
      [
        [0, putPolicy("free", daily())],
        [1.5, consume(3n)],
      ],
      [
        "0 1 setPolicy 0",
        "0 2 recharge 10 by free until 1: 10 of #2",
        "1 3 expire 10: 10 of #2",
        "1 4 recharge 10 by free until 2: 10 of #4",
        "1.5 5 consume 3: 3 of #4",
      ],
    ],
    [
      "at its first instant, and not one later",
      [],
      [
        [0, putPolicy("free", daily())],
        [1, consume(10n)],
      ],
      [
        "0 1 setPolicy 0",
        "0 2 recharge 10 by free until 1: 10 of #2",
        "1 3 expire 10: 10 of #2",
        "1 4 recharge 10 by free until 2: 10 of #4",
        "1 5 consume 10: 10 of #4",
      ],
    ],
    [
      "without a trace of those that are over",
      [],
      [
        [0, putPolicy("free", daily())],
        [400.5, consume(3n)],
      ],
      [
        "0 1 setPolicy 0",
        "0 2 recharge 10 by free until 1: 10 of #2",
        "1 3 expire 10: 10 of #2",
        "400 4 recharge 10 by free until 401: 10 of #4",
        "400.5 5 consume 3: 3 of #4",
      ],
    ],
    [
      "with several periods' points at once if they roll over",
      [],
      [
        [0, putPolicy("plan", daily({ life: { kind: "periods", count: 3 } }))],
        [400.5, consume(21n)],
      ],
      [
        "0 1 setPolicy 0",
        "0 2 recharge 10 by plan until 3: 10 of #2",
        "3 3 expire 10: 10 of #2",
        "398 4 recharge 10 by plan until 401: 10 of #4",
        "399 5 recharge 10 by plan until 402: 10 of #5",
        "400 6 recharge 10 by plan until 403: 10 of #6",
        "400.5 7 consume 21: 10 of #4, 10 of #5, 1 of #6",
      ],
    ],
    [
      "each of them if the points outlive it",
      [],
      [
        [0, putPolicy("gift", daily({ life: { kind: "never" } }))],
        [0, putPolicy("bonus", daily({ life: { kind: "ttl", ttl: DAY / 2n } }))],
        [2, consume(30n)],
      ],
      [
        "0 1 setPolicy 0",
        "0 2 recharge 10 by gift: 10 of #2",
        "0 3 setPolicy 0",
        "0 4 recharge 10 by bonus until 0.5: 10 of #4",
        "0.5 5 expire 10: 10 of #4",
        "1 6 recharge 10 by bonus until 1.5: 10 of #6",
        "1 7 recharge 10 by gift: 10 of #7",
        "1.5 8 expire 10: 10 of #6",
        "2 9 recharge 10 by bonus until 2.5: 10 of #9",
        "2 10 recharge 10 by gift: 10 of #10",
        "2 11 consume 30: 10 of #9, 10 of #2, 10 of #7",
      ],
    ],
    [
      "after the holds and the lots of that instant, by name",
      ["#1: 7 of 7, expires +86400000000"],
      [
        [0, putPolicy("b", daily({ startTime: NOW + DAY, life: { kind: "never" } }))],
        [0, putPolicy("a", daily({ startTime: NOW + DAY }))],
        [0, freeze(4n, DAY)],
        [1, consume(1n)],
      ],
      [
        "0 2 setPolicy 0",
        "0 3 setPolicy 0",
        "0 4 freeze 4 until +86400000000: 4 of #1",
        "1 5 release 4 of hold 4: 4 of #1",
        "1 6 expire 7: 7 of #1",
        "1 7 recharge 10 by a until 2: 10 of #7",
        "1 8 recharge 10 by b: 10 of #8",
        "1 9 consume 1: 1 of #7",
      ],
    ],
    [
      "none from its end on",
      [],
      [
        [0, putPolicy("trial", daily({ endTime: NOW + 2n * DAY }))],
        [1, consume(1n)],
        [2, recharge(5n)],
      ],
      [
        "0 1 setPolicy 0",
        "0 2 recharge 10 by trial until 1: 10 of #2",
        "1 3 expire 10: 10 of #2",
        "1 4 recharge 10 by trial until 2: 10 of #4",
        "1 5 consume 1: 1 of #4",
        "2 6 expire 9: 9 of #4",
        "2 7 recharge 5: 5 of #7",
      ],
    ],
    [
      "none after it was ended, and nothing sooner for beginning it anew",
      [],
      [
        [0, putPolicy("free", daily())],
        [0.5, deletePolicy("free")],
        [0.7, putPolicy("free", daily({ startTime: NOW + DAY }))],
        [1, consume(1n)],
      ],
      [
        "0 1 setPolicy 0",
        "0 2 recharge 10 by free until 1: 10 of #2",
        "0.5 3 setPolicy 0",
        "0.7 4 setPolicy 0",
        "1 5 expire 10: 10 of #2",
        "1 6 recharge 10 by free until 2: 10 of #6",
        "1 7 consume 1: 1 of #6",
      ],
    ],
    [
      "which repay a debt at that instant, so that no period is lost while there is one",
      [],
      [
        [0, putPolicy("credit", { kind: "creditLine", points: 50n })],
        [0, consume(25n, OWE)],
        [0, putPolicy("free", daily({ startTime: NOW + DAY }))],
        [0, putPolicy("voice", daily({ startTime: NOW + DAY, services: ["tts"] }))],
        [9.5, consume(10n)],
      ],
      [
        "0 1 setPolicy 0",
        "0 2 consume 25, 25 owed",
        "0 3 setPolicy 0",
        "0 4 setPolicy 0",
        "1 5 recharge 10 by free until 2, 10 repaid",
        "2 6 recharge 10 by free until 3, 10 repaid",
        "3 7 recharge 10 by free until 4, 5 repaid: 5 of #7",
        "4 8 expire 5: 5 of #7",
        "9 9 recharge 10 by free until 10: 10 of #9",
        "9 10 recharge 10 by voice until 10: 10 of #10",
        "9.5 11 consume 10: 10 of #9",
      ],
    ],
  ];
  test.each(cases)("%s", (_, lots, steps, journal) => {
    const before = lots.length === 0 ? undefined : stateOf(lots);
    expect(statement(before, steps).journal).toEqual(journal);
  });

  test("whoever reads sees them, though nothing is written", () => {
    const { state } = statement(undefined, [[0, putPolicy("free", daily())]]);
    const { account } = bookDue(state!, at(31.5)).state;
    expect(account.balance).toBe(10n);
    expect(account.totalRecharged).toBe(20n);
  });
});

describe("for who does not come", () => {
  test("nothing is written, and nothing wakes the account", () => {
    const { state } = statement(undefined, [[0, putPolicy("free", daily())]]);
    expect(dueTimeOf(state!)).toBeNull();
    expect(dueTimeOf(state!, "watch")).toBe(at(1));
    expect(bookDue(state!, at(999), { mode: "sweep" }).entries).toEqual([]);
  });

  test("the account wakes for points that outlive their period", () => {
    const gift = daily({ life: { kind: "never" }, startTime: at(3) });
    const { state } = statement(undefined, [[0, putPolicy("gift", gift)]]);
    expect(dueTimeOf(state!)).toBe(at(3));
    const { entries, state: after } = bookDue(state!, at(4.5), { mode: "sweep" });
    expect(timed(entries)).toEqual([
      "3 2 recharge 10 by gift: 10 of #2",
      "4 3 recharge 10 by gift: 10 of #3",
    ]);
    expect(dueTimeOf(after)).toBe(at(5));
  });

  test("it wakes while there is a debt to repay", () => {
    const { state } = statement(undefined, [
      [0, putPolicy("credit", { kind: "creditLine", points: 50n })],
      [0, putPolicy("free", daily())],
      [0, consume(25n, OWE)],
    ]);
    expect(dueTimeOf(state!)).toBe(at(1));
    const { state: after } = bookDue(state!, at(30), { mode: "sweep" });
    expect(after.account.totalRecharged).toBe(30n);
    expect(dueTimeOf(after)).toBeNull();
  });

  test("what is quiet comes before what wakes, if it lives to see it", () => {
    const { state } = statement(undefined, [
      [0, recharge(7n, { kind: "after", ttl: 10n * DAY + DAY / 2n })],
      [0, putPolicy("free", daily())],
    ]);
    expect(timed(bookDue(state!, at(99), { mode: "sweep" }).entries)).toEqual([
      "1 4 expire 10: 10 of #3",
      "10 5 recharge 10 by free until 11: 10 of #5",
      "10.5 6 expire 7: 7 of #1",
    ]);
  });

  test("a period that begins or ends with what wakes is not before it", () => {
    const { state } = statement(undefined, [
      [0, recharge(7n, { kind: "after", ttl: 10n * DAY })],
      [0, putPolicy("free", daily())],
    ]);
    expect(timed(bookDue(state!, at(99), { mode: "sweep" }).entries)).toEqual([
      "1 4 expire 10: 10 of #3",
      "10 5 expire 7: 7 of #1",
    ]);
  });

  test("a lot that had nothing left expires with what a hold gave back", () => {
    const { state } = statement(undefined, [
      [0, putPolicy("trial", daily({ endTime: NOW + DAY }))],
      [0, freeze(10n, DAY / 2n)],
    ]);
    expect(timed(bookDue(state!, at(1)).entries)).toEqual([
      "0.5 4 release 10 of hold 3: 10 of #2",
      "1 5 expire 10: 10 of #2",
    ]);
  });

  test("lots that expire together do so in one entry, whoever gave them", () => {
    const { state } = statement(undefined, [
      [0, recharge(7n, { kind: "after", ttl: DAY })],
      [0, putPolicy("free", daily())],
    ]);
    expect(timed(bookDue(state!, at(1), { mode: "sweep" }).entries)).toEqual([
      "1 4 expire 17: 7 of #1, 10 of #3",
    ]);
  });
});

describe("a trial", () => {
  const before = () => statement(undefined, [[0, putPolicy("free", daily())]]).state!;
  const trial = { ...consume(10n), validateOnly: true };

  test.each<[title: string, commands: Command[], kept: string[]]>([
    ["is decided as if somebody came, and leaves nothing", [trial], []],
    ["does not either beside a sweep", [SWEEP, trial], []],
    [
      "leaves what another's command books",
      [trial, consume(1n)],
      [
        "1 3 expire 10: 10 of #2",
        "5 4 recharge 10 by free until 6: 10 of #4",
        "5.5 5 consume 1: 1 of #4",
      ],
    ],
  ])("%s", (_, commands, kept) => {
    const asked = { onTrial: usersOnTrial(commands), visited: usersVisited(commands) };
    const batch = startBatch(at(5.5), { ...NO_REPEATS, ...asked, found: [before()] });
    const answers = commands.map((command) => answer(batch, command));
    const tried = answers[commands.indexOf(trial)] as Answer;
    expect(timed([tried.entry!])).toEqual(["5.5 5 consume 10: 10 of #4"]);
    expect(timed(changesOf(batch)?.entries ?? [])).toEqual(kept);
  });
});

describe("an account that is full", () => {
  const gift = daily({ life: { kind: "never" }, startTime: at(1) });
  const full = () => {
    const lots = Array.from({ length: MAX_OPEN_LOTS }, (_, n) => `#${n + 1}: 1 of 1`);
    return statement(stateOf(lots), [
      [0, putPolicy("gift", gift)],
      [0, putPolicy("plan", { ...gift, life: { kind: "periods", count: 2 } })],
      [0, putPolicy("free", { ...gift, life: { kind: "periods", count: 1 } })],
    ]).state!;
  };

  test("wakes for nothing that it has no room for", () => {
    const state = full();
    expect(dueTimeOf(state)).toBeNull();
    expect(bookDue(state, at(9)).entries).toEqual([]);
  });

  test("is given what it waited for once there is room, as far as the points live", () => {
    const journal = statement(full(), [[4.5, consume(4n)]]).journal.map((line) =>
      line.slice(0, 40),
    );
    expect(journal).toEqual([
      "4.5 4100 consume 4: 1 of #1, 1 of #2, 1 ",
      "4.5 4101 recharge 10 by free until 5: 10",
      "4.5 4102 recharge 10 by gift: 10 of #410",
      "4.5 4103 recharge 10 by gift: 10 of #410",
      "4.5 4104 recharge 10 by gift: 10 of #410",
    ]);
  });
});

test("however many periods have passed, and whatever a batch may book, each is given once", () => {
  const start: Step[] = [
    [0, putPolicy("a", daily({ life: { kind: "never" } }))],
    [0, putPolicy("b", daily({ life: { kind: "periods", count: 2 } }))],
    [0, putPolicy("c", daily({ life: { kind: "ttl", ttl: 3n * DAY } }))],
    [0, rechargeFor(["tts"], 5n, { kind: "after", ttl: 20n * DAY })],
  ];
  const { state } = statement(undefined, start);
  const whole = timed(bookDue(state!, at(70.5)).entries);
  expect(whole.filter((line) => line.includes("by a"))).toHaveLength(70);
  for (const maxSize of [1, 2, 7]) {
    const journal: string[] = [];
    let [left, isAll] = [state!, false];
    while (!isAll) {
      const booked = bookDue(left, at(70.5), { maxSize });
      expectSound(booked.state);
      journal.push(...timed(booked.entries));
      ({ state: left, isAll } = booked);
    }
    expect(journal).toEqual(whole);
  }
});

test("points that come back to a lot that was closed wait for nobody", () => {
  const steps: Step[] = [
    [0, putPolicy("free", daily())],
    [0, consume(10n)],
  ];
  const state = statement(undefined, steps).state!;
  expect(state.policies[0]!.given).toEqual([]);
});

test("a hundred years of daily points are skipped at once", () => {
  const { state } = statement(undefined, [[0, putPolicy("free", daily())]]);
  const { entries } = bookDue(state!, at(36_525.5));
  expect(entries).toHaveLength(2);
});

function statement(before: AccountState | undefined, steps: readonly Step[]) {
  let state = before;
  const journal: string[] = [];
  for (const [day, command] of steps) {
    const applied = decideAt(state, command, at(day));
    if (applied.refused !== undefined) throw new Error(`refused: ${applied.refused.reason}`);
    ({ state } = applied);
    expectSound(state);
    journal.push(...timed(applied.entries));
  }
  return { state, journal };
}

/** Days after NOW. */
function at(day: number): bigint {
  return NOW + BigInt(day * 10) * (DAY / 10n);
}

/** Entries as lines of a statement, each with its time in days after NOW. */
function timed(entries: readonly Entry[]): string[] {
  const days = (time: bigint) => Number(time - NOW) / Number(DAY);
  return entries.map((entry) => {
    const { cause, expireTime } = entry;
    const until = expireTime === null ? "" : ` until ${days(expireTime)}`;
    const line = entryLine(entry).replace(
      /^(\d+ recharge \d+)/,
      cause === "" ? "$1" : `$1 by ${cause}${until}`,
    );
    return `${days(entry.time)} ${line}`;
  });
}

describe("nobody gets more by changing an allowance to and fro", () => {
  const monthly = (day: number, end?: number) =>
    putPolicy(
      "plan",
      daily({
        points: 100n,
        every: { count: 1, unit: "month" },
        startTime: NOW + BigInt(day) * DAY,
        endTime: end === undefined ? null : NOW + BigInt(end) * DAY,
      }),
    );

  test.each<[string, [number, Command][]]>([
    [
      "by an end",
      [
        [0, monthly(0)],
        [1, monthly(1, 2)],
        [3, monthly(3)],
        [4, monthly(4, 5)],
        [6, monthly(6)],
      ],
    ],
    [
      "by ending what has an end",
      [
        [0, monthly(0, 20)],
        [1, deletePolicy("plan")],
        [2, monthly(2, 20)],
        [3, deletePolicy("plan")],
        [4, monthly(4)],
      ],
    ],
  ])("%s", (_, steps) => {
    let state: AccountState | undefined;
    const given: Entry[] = [];
    for (const [day, command] of steps) {
      const decided = decideAt(state, command, NOW + BigInt(day) * DAY);
      given.push(...decided.entries.filter(({ cause }) => cause !== ""));
      ({ state } = decided);
    }
    expect(given.map(({ points }) => points)).toEqual([100n]);
  });
});
