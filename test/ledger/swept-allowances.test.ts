import fc from "fast-check";
import { expect, test } from "vitest";
import { type Account, timeOf } from "../../src/ledger/account.ts";
import { answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import { bookDue, dueTimeOf } from "../../src/ledger/due.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { usersOnTrial } from "../../src/ledger/trial.ts";
import { usersVisited } from "../../src/ledger/visit.ts";
import { assertUntil } from "../support/enough.ts";
import { expectEachPeriodOnce } from "../support/every-period.ts";
import { LONG_MS } from "../support/patience.ts";
import { commandAt, QUARTER, randomLife, type Step } from "../support/random-allowances.ts";
import { NO_REPEATS } from "../support/salts.ts";
import { entryLine, expectSound, NOW } from "../support/statement.ts";

test(
  "the journal is the same with sweeps at random and with none, and each period is given once",
  { timeout: LONG_MS },
  async () => {
    const seen = { given: 0, swept: 0, owed: 0, periods: 0 };
    await assertUntil(
      () => Math.min(seen.given, seen.swept, seen.periods) > 300,
      fc.property(randomLife(25), (life) => {
        const alone = live(life, false);
        const swept = live(life, true);
        expect(swept.journal.map(lineOf)).toEqual(alone.journal.map(lineOf));
        expect(swept.journal.map(({ hash }) => hash)).toEqual(
          alone.journal.map(({ hash }) => hash),
        );
        // What somebody reads in between does not depend on what was written.
        expect(swept.read).toEqual(alone.read);
        const given = alone.journal.filter(({ cause }) => cause !== "");
        seen.given += given.length;
        seen.owed += given.filter(({ repaid }) => repaid > 0n).length;
        seen.swept += swept.swept;
        // A lot that a refund opens again waits for nobody.
        if (alone.journal.some(({ kind }) => kind === "refund")) return;
        seen.periods += expectEachPeriodOnce(alone.journal, alone.visits);
      }),
      400,
    );
    console.log(JSON.stringify(seen));
  },
);

/** The journal of a life with its sweeps or without, and what somebody reads before each command. */
function live(life: readonly Step[], withSweeps: boolean) {
  const journal: Entry[] = [];
  const read: Partial<Account>[] = [];
  const visits = new Set<bigint>();
  let state: AccountState | undefined;
  let [now, swept] = [NOW, 0];
  for (const one of life) {
    for (const { after, maxSize } of withSweeps ? one.sweeps : []) {
      if (state === undefined) continue;
      const booked = sweep(state, now + BigInt(after) * QUARTER, maxSize);
      journal.push(...booked.entries);
      swept += booked.entries.length;
      ({ state } = booked);
    }
    now += BigInt(one.later) * QUARTER;
    if (state !== undefined) read.push(readAt(state, now));
    const sent = send(state, commandAt(one, now), now);
    visits.add(now);
    journal.push(...sent.entries);
    ({ state } = sent);
  }
  return { journal, read, visits, swept };
}

function readAt(state: AccountState, now: bigint): Partial<Account> {
  const { salt, ...figures } = bookDue(state, timeOf(state.account, now)).state.account;
  return { ...figures, salt };
}

/** A sweep books something only when the account's clock has come, and moves it on. */
function sweep(state: AccountState, now: bigint, maxSize: number) {
  const clock = dueTimeOf(state);
  const booked = bookDue(state, timeOf(state.account, now), { mode: "sweep", maxSize });
  expectSound(booked.state);
  const hasCome = clock !== null && clock <= now;
  expect(hasCome || booked.entries.length === 0).toBe(true);
  const next = dueTimeOf(booked.state);
  expect(next === null || next > now || !booked.isAll).toBe(true);
  return booked;
}

/** Commits a command in as many batches as it takes. */
function send(before: AccountState | undefined, command: Command, now: bigint) {
  const entries: Entry[] = [];
  let state = before;
  const asked = { onTrial: usersOnTrial([command]), visited: usersVisited([command]) };
  for (let isWaiting = true; isWaiting;) {
    const found = state === undefined ? [] : [state];
    const batch = startBatch(now, { ...NO_REPEATS, ...asked, found });
    isWaiting = batch.waiting.has(command.userId);
    if (!isWaiting) answer(batch, command);
    changesOf(batch);
    state = batch.states.get(command.userId)!;
    expectSound(state);
    entries.push(...batch.entries);
  }
  return { state, entries };
}

function lineOf(entry: Entry): string {
  return `${Number(entry.time - NOW) / Number(QUARTER)} ${entryLine(entry)} ${entry.cause}`;
}
