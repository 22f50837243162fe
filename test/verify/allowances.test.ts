import { expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { Allowance } from "../../src/ledger/policy.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import type { Micros } from "../../src/ledger/time.ts";
import { emptyBooks, post, postingOf } from "../../src/verify/books.ts";
import { type PolicyBooks, replayPolicies } from "../../src/verify/policies.ts";
import { DAY, daily } from "../support/allowances.ts";
import { recharge, putPolicy } from "../support/commands.ts";
import { decideAt, NOW } from "../support/statement.ts";

// Ten days after it was put, somebody comes, and again half a day later.
const FREE = "3: expire, 4: recharge by plan, 5: recharge, 6: recharge";
const ROLLOVER = "3: expire, 4 5 6: recharge by plan, 7: recharge, 8: recharge";

const cases: [title: string, periods: number, forge: (entry: Entry) => Entry[], flaw?: string][] = [
  [`a journal as it is (${FREE})`, 1, (entry) => [entry]],
  [`one of points that roll over (${ROLLOVER})`, 3, (entry) => [entry]],
  [
    "a period that was given twice",
    1,
    (entry) => (entry.sequence === 4n ? [entry, entry] : [entry]),
    "4: was given by allowance plan at an instant at which no period is left to begin",
  ],
  [
    "a period that somebody came for and that was not given",
    1,
    (entry) => (entry.sequence === 4n ? [] : [entry]),
    "5: comes after a period of allowance plan that was not given",
  ],
  [
    "one of several periods that was left out",
    3,
    (entry) => (entry.sequence === 4n ? [] : [entry]),
    "7: comes after a period of allowance plan that was left out and is alive",
  ],
  [
    "a period at another instant than its first",
    1,
    (entry) => [entry.sequence === 4n ? { ...entry, time: entry.time + 1n } : entry],
    "4: was given by allowance plan at an instant at which no period is left to begin",
  ],
  [
    "a period of other points",
    1,
    (entry) => [entry.sequence === 4n ? { ...entry, points: 11n } : entry],
    "4: was given by allowance plan otherwise than its rule says",
  ],
  [
    "a period that lives longer",
    3,
    (entry) => [entry.sequence === 6n ? { ...entry, expireTime: null } : entry],
    "6: was given by allowance plan otherwise than its rule says",
  ],
];

test.each(cases)("verify judges %s", (_, periods, forge, flaw) => {
  const rule = daily({ life: { kind: "periods", count: periods } });
  const journal = journalOf(rule);
  expect(firstFlaw(journal.flatMap(forge))).toBe(flaw);
});

test("changes of plans to a far start and back cost no look at each day in between", () => {
  const far = BigInt(Date.UTC(9999, 0, 1)) * 1_000n;
  const toAndFro = [putPolicy("plan", daily({ startTime: far })), putPolicy("plan", daily())];
  const commands = Array.from({ length: 20 }, () => toAndFro).flat();
  const journal = entriesOf(commands.map((command) => [NOW, command]));
  expect([journal.length, firstFlaw(journal)]).toEqual([40, undefined]);
});

function journalOf(rule: Allowance): readonly Entry[] {
  return entriesOf([
    [NOW, putPolicy("plan", rule)],
    [NOW + 10n * DAY + DAY / 4n, recharge(1n)],
    [NOW + 10n * DAY + DAY / 2n, recharge(1n)],
  ]);
}

function entriesOf(commands: readonly [at: bigint, command: Command][]): readonly Entry[] {
  let state: AccountState | undefined;
  return commands.flatMap(([at, command]) => {
    const applied = decideAt(state, command, at);
    ({ state } = applied);
    return applied.entries;
  });
}

function firstFlaw(journal: readonly Entry[]): string | undefined {
  const books = emptyBooks<Micros | null>();
  const policies: PolicyBooks = new Map();
  let time: Micros | undefined;
  for (const entry of journal) {
    const before = { figures: { ...books.figures }, time };
    post(books, postingOf(entry));
    const flaw = replayPolicies(policies, books, { before, entry });
    if (flaw !== undefined) return `${entry.sequence}: ${flaw}`;
    ({ time } = entry);
  }
  return undefined;
}
