import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { timeOf } from "../../src/ledger/account.ts";
import { answer, changesOf, DUE_MAX, startBatch } from "../../src/ledger/batch.ts";
import { MAX_OPEN_HOLDS } from "../../src/ledger/hold.ts";
import { MAX_OPEN_LOTS } from "../../src/ledger/lot.ts";
import { bookDue } from "../../src/ledger/due.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { AnsweredRequest } from "../../src/ledger/idempotency.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { usersOnTrial } from "../../src/ledger/trial.ts";
import { usersVisited } from "../../src/ledger/visit.ts";
import {
  consume,
  DUE,
  expire,
  freeze,
  freezeUntil,
  named,
  open,
  recharge,
  refund,
  release,
  settle,
} from "../support/commands.ts";
import { assertUntil } from "../support/enough.ts";
import { LONG_MS } from "../support/patience.ts";
import { randomSteps, type Step as RandomStep } from "../support/random-commands.ts";
import { NO_REPEATS, SALTS } from "../support/salts.ts";
import {
  decideAt,
  entryLine,
  expectSound,
  NOW,
  play,
  stateOf,
  type Step,
} from "../support/statement.ts";

describe("what is due is booked in the order of its instants", () => {
  const cases: [title: string, lots: string[], steps: Step[], journal: string[]][] = [
    [
      "holds and lots between each other",
      ["#1: 9 of 9, expires +20", "#2: 9 of 9, expires +40", "#3: 9 of 9"],
      [
        [0n, freeze(2n, 30n)],
        [0n, freeze(1n, 10n)],
      ],
      [
        "+10 6 release 1 of hold 5: 1 of #1",
        "+20 7 expire 7: 7 of #1",
        "+30 8 release 2 of hold 4: 2 of #1",
        "+30 9 expire 2: 2 of #1",
        "+40 10 expire 9: 9 of #2",
      ],
    ],
    [
      "at one instant the holds by number, then the lots by number",
      ["#1: 5 of 5, expires +20, priority 9", "#2: 5 of 5, expires +20", "#3: 5 of 5"],
      [
        [0n, freezeUntil(6n, NOW + 20n)],
        [0n, freezeUntil(1n, NOW + 20n)],
      ],
      [
        "+20 6 release 6 of hold 4: 5 of #2, 1 of #3",
        "+20 7 release 1 of hold 5: 1 of #3",
        "+20 8 expire 10: 5 of #1, 5 of #2",
      ],
    ],
    [
      "a lot once at each instant at which points come back to it",
      ["#1: 9 of 9, expires +5"],
      [
        [0n, freeze(2n, 10n)],
        [0n, freeze(3n, 20n)],
      ],
      [
        "+5 4 expire 4: 4 of #1",
        "+10 5 release 2 of hold 2: 2 of #1",
        "+10 6 expire 2: 2 of #1",
        "+20 7 release 3 of hold 3: 3 of #1",
        "+20 8 expire 3: 3 of #1",
      ],
    ],
    [
      "holds of nothing as well",
      ["#1: 1 of 1"],
      [[0n, freeze({ points: 0n, usage: null }, 7n)]],
      ["+7 3 release 0 of hold 2"],
    ],
  ];
  test.each(cases)("%s", (_, lots, steps, journal) => {
    const { state } = play(stateOf(lots), steps);
    expect(timed(bookDue(state, NOW + 100n).entries)).toEqual(journal);
    // However few are booked at a time, and whenever that is.
    for (const maxSize of [1, 2, 3]) {
      const entries: Entry[] = [];
      let at = state;
      for (let instant = 0n; instant <= 100n; instant += 1n) {
        const booked = bookDue(at, NOW + instant, { maxSize });
        expectSound(booked.state);
        entries.push(...booked.entries);
        at = booked.state;
      }
      expect(timed(entries)).toEqual(journal);
    }
  });

  test("in entries of at most 500 lots, those of the lowest numbers first", () => {
    const numbers = Array.from({ length: 1_203 }, (_, index) => index + 1);
    const lots = numbers.map((n) => `#${n}: 1 of 1, expires +5, priority ${n % 7}`);
    const { entries, isAll } = bookDue(stateOf(lots), NOW + 5n);
    expect(isAll).toBe(true);
    expect(entries.map(({ points }) => points)).toEqual([500n, 500n, 203n]);
    const taken = entries.flatMap(({ allocations }) => allocations.map(({ lot }) => Number(lot)));
    expect(taken).toEqual(numbers);
  });
});

describe("of due lots that are not all loaded", () => {
  // Three lots of +5 and 1,100 of +6, of which the first are loaded.
  const all = [
    ...["#1", "#2", "#900"].map((name) => `${name}: 1 of 1, expires +5`),
    ...Array.from({ length: 1_100 }, (_, n) => `#${n + 1_000}: 1 of 1, expires +6`),
  ];

  test("those are booked whose entry lacks none, and no others", () => {
    const loaded = { ...stateOf(all.slice(0, 603)), lastDueLot: 1_599n };
    const { entries, isAll } = bookDue(loaded, NOW + 9n);
    expect(entries.map(({ points }) => points)).toEqual([3n, 500n]);
    expect(isAll).toBe(false);
  });

  test("those of an instant wait if they are fewer than an entry has", () => {
    const loaded = { ...stateOf(all.slice(0, 400)), lastDueLot: 1_396n };
    expect(bookDue(loaded, NOW + 9n).entries.map(({ points }) => points)).toEqual([3n]);
  });

  test("an entry may have the numbers below the last one alone", () => {
    const state = stateOf([...all.slice(3, 503), "#9999: 1 of 1, expires +6"]);
    const { entries } = bookDue({ ...state, lastDueLot: 1_499n }, NOW + 9n);
    expect(entries).toEqual([]);
  });
});

describe("a batch books so much of what is due, and no more", () => {
  const HOLDS = 1_200;
  const many = () => withHolds("ada", HOLDS);

  test("and the account's commands wait for the next, which goes on", () => {
    let [state, batches] = [many(), 0];
    const journal: Entry[] = [];
    for (let waiting = true; waiting; batches += 1) {
      const batch = startBatch(NOW + 50n, { ...NO_REPEATS, found: [state] });
      waiting = batch.waiting.has("ada");
      expect(batch.entries.length).toBeLessThanOrEqual(DUE_MAX);
      journal.push(...batch.entries);
      state = batch.states.get("ada")!;
    }
    expect(batches).toBe(Math.ceil(HOLDS / DUE_MAX));
    expect(journal.map(({ refersTo }) => refersTo)).toEqual(holdsOf(many()));
    expect(journal.map(({ hash }) => hash)).toEqual(
      bookDue(many(), NOW + 50n).entries.map(({ hash }) => hash),
    );
  });

  test("of all accounts together, and first of those who have little", () => {
    const users = ["ada", "bob", "cleo"];
    const found = users.map((userId, index) => withHolds(userId, [HOLDS, 3, HOLDS][index]!));
    const batch = startBatch(NOW + 50n, { ...NO_REPEATS, found });
    expect(batch.waiting).toEqual(new Set(["ada", "cleo"]));
    expect(batch.entries.length).toBe(DUE_MAX);
    expect(batch.entries.slice(0, 3).map(({ userId }) => userId)).toEqual(["bob", "bob", "bob"]);
  });

  test("and keeps it though all commands are refused", () => {
    const batch = startBatch(NOW + 50n, { ...NO_REPEATS, found: [withHolds("ada", 3)] });
    expect(answer(batch, consume(99_999n))).toMatchObject({ reason: "INSUFFICIENT_POINTS" });
    expect(changesOf(batch)).toMatchObject({ accounts: [{ sequence: 7n }], holds: [{}, {}, {}] });
  });
});

test("an account that moves points in thousands of lots at a time waits after a few", () => {
  const lots = Array.from({ length: 1_500 }, (_, index) => `#${index + 1}: 1 of 1`);
  const few = { ...stateOf(["#1: 99 of 99"]), account: { ...stateOf(["#1: 99 of 99"]).account } };
  const bob = { ...few, account: { ...few.account, userId: "bob" } };
  const batch = startBatch(NOW, { ...NO_REPEATS, found: [stateOf(lots), bob] });
  answer(batch, freeze(1_500n));
  expect(batch.waiting).toEqual(new Set());
  answer(batch, release(1_501n));
  expect(batch.waiting).toEqual(new Set(["ada"]));
  for (let made = 0; made < 500; made += 1) answer(batch, { ...freeze(0n), userId: "bob" });
  expect(batch.waiting).toEqual(new Set(["ada"]));
});

describe("Expire of what is due", () => {
  test("answers with the last entry, which does not name the request", () => {
    const { state } = play(stateOf(["#1: 5 of 5, expires +20"]), [[0n, freeze(3n)]]);
    const batch = startBatch(NOW + 60n, { ...NO_REPEATS, found: [state] });
    const first = answer(batch, named(expire(DUE), "r1"));
    expect(first).toMatchObject({ entry: { sequence: 5n, points: 3n, request: undefined } });
    expect(answer(batch, named(expire(DUE), "r1"))).toEqual({ ...first, replayed: true });
    expect(batch.receipts).toHaveLength(1);
    expect(answer(batch, expire(DUE))).toMatchObject({ entry: undefined });
  });

  test("has no entry where another command of the batch came first", () => {
    const batch = startBatch(NOW, { ...NO_REPEATS, found: [stateOf(["#1: 5 of 5, expires now"])] });
    expect(answer(batch, open())).toMatchObject({ account: { balance: 0n } });
    expect(answer(batch, expire(DUE))).toMatchObject({ entry: undefined });
  });
});

describe("time never goes back for an account", () => {
  test("whose clock was set back: a command has the last entry's time", () => {
    const { state } = play(stateOf(["#1: 5 of 5", "#2: 5 of 5, expires +20"]), [
      [10n, consume(1n)],
    ]);
    const { entries } = decideAt(state, consume(1n), NOW + 3n);
    expect(entries.map(({ time }) => time)).toEqual([NOW + 10n]);
  });

  test("and what is due by its own time is due", () => {
    const { state } = play(stateOf(["#1: 5 of 5", "#2: 5 of 5, expires +20"]), [
      [30n, consume(1n)],
    ]);
    const back = { ...state, lots: state.lots.map((lot) => ({ ...lot, expireTime: NOW + 25n })) };
    expect(decideAt(back, consume(1n), NOW).refused).toMatchObject({ balance: 0n });
  });
});

describe("an account is full with", () => {
  const lotsOf = (count: number) => ({
    ...stateOf(["#1: 0 of 9", "#2: 5 of 5", "#3: 5 of 5, expires +5"]),
    otherLots: { remaining: 0n, frozen: 0n, count, scoped: 0n, scopedOf: new Map() },
  });
  const fullOfLots = { reason: "ACCOUNT_FULL", full: "lots", limit: MAX_OPEN_LOTS };

  test("4,096 open lots: another is refused, and one instead of another is not", () => {
    const almost = lotsOf(MAX_OPEN_LOTS - 3);
    expect(decideAt(almost, recharge(1n), NOW).refused).toBeUndefined();
    const full = lotsOf(MAX_OPEN_LOTS - 2);
    expect(decideAt(full, recharge(1n), NOW).refused).toEqual(fullOfLots);
    const { state } = play(full, [[0n, consume(5n)]]);
    expect(decideAt(state, recharge(1n), NOW).refused).toBeUndefined();
  });

  test("lots that a refund would open again", () => {
    const spent = play(lotsOf(MAX_OPEN_LOTS - 2), [[0n, consume(10n)]]).state;
    const refilled = { ...spent, otherLots: { ...spent.otherLots, count: MAX_OPEN_LOTS - 1 } };
    expect(decideAt(refilled, refund(4n, 5n), NOW).refused).toBeUndefined();
    expect(decideAt(refilled, refund(4n, 6n), NOW).refused).toEqual(fullOfLots);
    // Past its time, #3 does not open again; reissued, it is another lot.
    expect(decideAt(refilled, refund(4n, 6n), NOW + 9n).refused).toBeUndefined();
    expect(decideAt(refilled, refund(4n, 10n, 9n), NOW + 9n).refused).toEqual(fullOfLots);
  });

  test("16,384 open holds: another is refused, and one instead of another is not", () => {
    const { state } = play(stateOf(["#1: 9 of 9"]), [[0n, freeze(1n)]]);
    const full = { ...state, otherHolds: MAX_OPEN_HOLDS - 1 };
    const refused = { reason: "ACCOUNT_FULL", full: "holds", limit: MAX_OPEN_HOLDS };
    expect(decideAt(full, freeze(1n), NOW).refused).toEqual(refused);
    expect(decideAt(full, freeze(99n), NOW).refused).toMatchObject({ shortfall: 91n });
    const { state: settled } = play(full, [[0n, settle(2n)]]);
    expect(decideAt(settled, freeze(1n), NOW).refused).toBeUndefined();
  });
});

test(
  "the journal is the same with sweeps at random and with none, for 100,000 commands",
  async () => {
    let commands = 0;
    let swept = 0;
    const sweep = fc.record({ after: fc.nat(4), maxSize: fc.integer({ min: 1, max: 3 }) });
    const steps = randomSteps(150).chain((all) =>
      fc.tuple(fc.constant(all), fc.array(fc.array(sweep, { maxLength: 3 }), { minLength: 150 })),
    );
    await assertUntil(
      () => commands > 100_000 && swept > 1_000,
      fc.property(steps, ([all, sweeps]) => {
        const swipes = all.map((_, index) => sweeps[index] ?? []);
        const without = live(all, []);
        const withSweeps = live(all, swipes);
        commands += all.reduce((sum, step) => sum + step.commands.length, 0);
        swept += withSweeps.swept;
        expect(withSweeps.hashes).toEqual(without.hashes);
      }),
      130,
    );
    console.log(`${commands} commands, ${swept} entries booked by sweeps`);
  },
  LONG_MS,
);

type Sweep = { readonly after: number; readonly maxSize: number };

/** Plays the steps, with sweeps of all accounts between them; the hashes of all entries by user. */
function live(steps: readonly RandomStep[], sweeps: readonly (readonly Sweep[])[]) {
  let states: ReadonlyMap<string, AccountState> = new Map();
  let repeats: ReadonlyMap<string, AnsweredRequest> = new Map();
  const hashes: Record<string, string[]> = {};
  let [now, swept] = [1n, 0];
  const note = (entries: readonly Entry[]) => {
    for (const { userId, hash } of entries) {
      (hashes[userId] ??= []).push(Buffer.from(hash).toString("hex"));
    }
  };
  for (const [index, { laterBy, commands }] of steps.entries()) {
    for (const { after, maxSize } of sweeps[index] ?? []) {
      const at = now + (BigInt(after) < laterBy ? BigInt(after) : laterBy);
      const booked = [...states.values()].map((state) =>
        bookDue(state, timeOf(state.account, at), { mode: "sweep", maxSize }),
      );
      booked.forEach(({ entries }) => note(entries));
      swept += booked.reduce((sum, { entries }) => sum + entries.length, 0);
      states = new Map(booked.map(({ state }) => [state.account.userId, state]));
    }
    now += laterBy;
    const users = new Set(commands.map(({ userId }) => userId));
    const found = [...states.values()].filter(({ account }) => users.has(account.userId));
    const onTrial = usersOnTrial(commands);
    const visited = usersVisited(commands);
    const batch = startBatch(now, { found, repeats, salts: SALTS, onTrial, visited });
    for (const command of commands) answer(batch, command);
    note(batch.entries);
    const kept = [...batch.states].filter(([userId]) => !onTrial.has(userId));
    states = new Map([...states, ...kept]);
    repeats = batch.repeats;
  }
  for (const state of states.values()) note(bookDue(state, timeOf(state.account, now)).entries);
  return { hashes, swept };
}

function timed(entries: readonly Entry[]): string[] {
  return entries.map((entry) => `+${entry.time - NOW} ${entryLine(entry)}`);
}

/** An account with so many holds of a point that end at +50. */
function withHolds(userId: string, count: number): AccountState {
  const lots = stateOf([`#1: ${count} of ${count}`]);
  const before = { ...lots, account: { ...lots.account, userId } };
  const batch = startBatch(NOW, { ...NO_REPEATS, found: [before] });
  for (let made = 0; made < count; made += 1) answer(batch, { ...freeze(1n), userId });
  return batch.states.get(userId)!;
}

function holdsOf({ holds }: AccountState): bigint[] {
  return holds.map(({ number }) => number);
}
