import fc from "fast-check";
import { expect, test } from "vitest";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import { answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import { hashEntry } from "../../src/ledger/entry-hash.ts";
import type { AnsweredRequest } from "../../src/ledger/idempotency.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { isTrial, usersOnTrial } from "../../src/ledger/trial.ts";
import { usersVisited } from "../../src/ledger/visit.ts";
import { expectSame } from "../support/compare.ts";
import { type Expected, Model } from "../support/model.ts";
import { LONG_MS } from "../support/patience.ts";
import { randomSteps, type Step } from "../support/random-commands.ts";
import { SALTS } from "../support/salts.ts";
import { withCommas, TIMES } from "../support/times.ts";

// A run has some 175 commands.
const COMMANDS = 100_000 * TIMES;
const RUNS = 650 * TIMES;

test(
  `the ledger does what the naive model does, for ${withCommas(COMMANDS)} random commands`,
  () => {
    const tally = new Map<string, number>();
    fc.assert(
      fc.property(randomSteps(150), (steps) => {
        expectChained(play(steps, (outcome) => tally.set(outcome, (tally.get(outcome) ?? 0) + 1)));
      }),
      { numRuns: RUNS },
    );
    const commands = [...tally.values()].reduce((sum, count) => sum + count, 0);
    console.log(`${commands} commands compared`, Object.fromEntries(tally));
    expect(commands).toBeGreaterThan(COMMANDS);
  },
  LONG_MS,
);

/** Plays the steps on the ledger and on the model side by side; all entries in order. */
function play(steps: readonly Step[], note: (outcome: string) => void): readonly Entry[] {
  const model = new Model();
  const journal: Entry[] = [];
  const states = new Map<string, AccountState>();
  let repeats = new Map<string, AnsweredRequest>();
  let now = 1n;
  for (const { laterBy, commands } of steps) {
    now += laterBy;
    const users = new Set(commands.map(({ userId }) => userId));
    const found = [...states].flatMap(([userId, state]) => (users.has(userId) ? [state] : []));
    const onTrial = usersOnTrial(commands);
    const visited = usersVisited(commands);
    const batch = startBatch(now, { found, repeats, salts: SALTS, onTrial, visited });
    for (const unaimed of commands) {
      const command = model.aim(unaimed);
      const expected = model.run(command, now);
      const answered = answer(batch, command);
      expectSame(answered, expected);
      if (!isRejection(answered) && answered.entry && !isTrial(command)) {
        model.learn(answered.entry);
      }
      note(outcomeOf(command.kind, expected));
    }
    changesOf(batch);
    for (const [userId, state] of batch.states) if (!onTrial.has(userId)) states.set(userId, state);
    repeats = batch.repeats;
    journal.push(...batch.entries);
  }
  return journal;
}

function expectChained(journal: readonly Entry[]): void {
  const last = new Map<string, Entry>();
  for (const entry of journal) {
    const before = last.get(entry.userId);
    expect(entry.sequence).toBe((before?.sequence ?? 0n) + 1n);
    const hash = hashEntry(before?.hash ?? GENESIS_HASH, entry, SALTS.get(entry.userId)!);
    expect(Buffer.compare(entry.hash, hash)).toBe(0);
    last.set(entry.userId, entry);
  }
}

function outcomeOf(kind: string, expected: Expected): string {
  if ("reason" in expected) return `${kind}: ${expected.reason}`;
  if (expected.replayed) return `${kind}: replayed`;
  return `${kind}: ${expected.kind === undefined ? "nothing to do" : "applied"}`;
}
