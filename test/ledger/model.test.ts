import fc from "fast-check";
import { expect, test } from "vitest";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import { answer, type Batch, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import { hashEntry } from "../../src/ledger/entry-hash.ts";
import type { AnsweredRequest } from "../../src/ledger/idempotency.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { isTrial, usersOnTrial } from "../../src/ledger/trial.ts";
import { usersVisited } from "../../src/ledger/visit.ts";
import { expectSame } from "../support/compare.ts";
import { assertUntil } from "../support/enough.ts";
import { type Expected, Model } from "../support/model.ts";
import { LONG_MS } from "../support/patience.ts";
import { randomSteps, type Step } from "../support/random-commands.ts";
import { randomYears } from "../support/random-years.ts";
import { SALTS } from "../support/salts.ts";
import { withCommas, TIMES } from "../support/times.ts";

const COMMANDS = 100_000 * TIMES;

test(
  `the ledger does what the naive model does, for ${withCommas(COMMANDS)} random commands`,
  async () => {
    const tally = new Map<string, number>();
    await assertUntil(
      () => sumOf(tally) > COMMANDS,
      fc.property(randomSteps(150), (steps) => {
        expectChained(play(steps, (outcome) => tally.set(outcome, (tally.get(outcome) ?? 0) + 1)));
      }),
      100 * TIMES,
    );
    console.log(`${sumOf(tally)} commands compared`, Object.fromEntries(tally));
  },
  LONG_MS,
);

const YEARS = 20_000 * TIMES;

test(
  `so it does with policies over years, for ${withCommas(YEARS)} commands, whoever sweeps`,
  async () => {
    const tally = new Map<string, number>();
    await assertUntil(
      () => sumOf(tally) > YEARS,
      fc.property(randomYears(60), randomSweeps(60), (steps, sweeps) => {
        const note = (outcome: string) => tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
        const alone = play(steps, note);
        expectChained(alone);
        const swept = play(steps, () => {}, sweeps);
        const hashes = (journal: readonly Entry[]) => journal.map(({ hash }) => hash);
        expect(hashes(byUser(swept))).toEqual(hashes(byUser(alone)));
      }),
      60 * TIMES,
    );
    console.log(`${sumOf(tally)} commands compared`, Object.fromEntries(tally));
  },
  LONG_MS,
);

function sumOf(tally: ReadonlyMap<string, number>): number {
  return [...tally.values()].reduce((sum, count) => sum + count, 0);
}

/** When the sweeper comes between two steps, as a part of the time between them. */
function randomSweeps(maxSteps: number): fc.Arbitrary<readonly (number | undefined)[]> {
  const sweep = fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined });
  return fc.array(sweep, { minLength: maxSteps, maxLength: maxSteps, size: "max" });
}

function byUser(journal: readonly Entry[]): readonly Entry[] {
  return journal.toSorted((a, b) => (a.userId < b.userId ? -1 : a.userId > b.userId ? 1 : 0));
}

/**
 * Plays the steps on the ledger and on the model side by side; all entries in order.
 *
 * @param sweeps what an Expire of due answers with depends on who booked it: answers are not compared
 */
function play(
  steps: readonly Step[],
  note: (outcome: string) => void,
  sweeps?: readonly (number | undefined)[],
): readonly Entry[] {
  const model = new Model();
  const journal: Entry[] = [];
  const states = new Map<string, AccountState>();
  let repeats = new Map<string, AnsweredRequest>();
  let now = 1n;
  const start = (commands: readonly Command[], at: bigint) => {
    const users = new Set(commands.map(({ userId }) => userId));
    const found = [...states].flatMap(([userId, state]) => (users.has(userId) ? [state] : []));
    const onTrial = usersOnTrial(commands);
    const visited = usersVisited(commands);
    return startBatch(at, { found, repeats, salts: SALTS, onTrial, visited });
  };
  const finish = (batch: Batch) => {
    changesOf(batch);
    for (const [userId, state] of batch.states) {
      if (!batch.onTrial.has(userId)) states.set(userId, state);
    }
    ({ repeats } = batch);
    journal.push(...batch.entries);
  };
  for (const [at, { laterBy, commands }] of steps.entries()) {
    const part = at === 0 ? undefined : sweeps?.[at];
    if (part !== undefined) {
      const sweep = [...states.keys()].map(sweepOf);
      const batch = start(sweep, now + (laterBy * BigInt(part)) / 100n);
      for (const command of sweep) if (!batch.waiting.has(command.userId)) answer(batch, command);
      finish(batch);
    }
    now += laterBy;
    let batch = start(commands, now);
    // More is due than one batch books.
    while (batch.waiting.size > 0) {
      finish(batch);
      batch = start(commands, now);
    }
    for (const unaimed of commands) {
      const command = model.aim(unaimed);
      const expected = model.run(command, now);
      const answered = answer(batch, command);
      if (sweeps === undefined) expectSame(answered, expected);
      if (!isRejection(answered) && answered.entry && !isTrial(command)) {
        model.learn(answered.entry);
      }
      note(outcomeOf(command.kind, expected));
    }
    finish(batch);
  }
  // Nobody has come since the last sweep to all accounts.
  finish(start([...states.keys()].map(openOf), now));
  return journal;
}

function openOf(userId: string): Command {
  return { kind: "open", userId };
}

function sweepOf(userId: string): Command {
  const cause = { request: undefined, metadata: new Map<string, string>(), caller: "", actor: "" };
  return { kind: "expire", userId, target: { kind: "sweep" }, ...cause };
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
