import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, answer, type Changes, changesOf, startBatch } from "../ledger/batch.ts";
import type { Command } from "../ledger/command.ts";
import { isRejection, type Rejection } from "../ledger/rejection.ts";
import type { Micros } from "../ledger/time.ts";
import { databaseNow } from "../store/clock.ts";
import { isCommitted } from "../store/committed.ts";
import { faultOf } from "../store/faults.ts";
import { loadStates } from "../store/load.ts";
import { lockAccounts } from "../store/lock.ts";
import type { Orm } from "../store/orm.ts";
import { loadRepeats } from "../store/repeats.ts";
import { save } from "../store/save.ts";
import { waitForStandbys } from "../store/standbys.ts";
import { inTransaction, type Run } from "../store/transaction.ts";
import { type BatchObserver, type BatchStep, UNOBSERVED } from "./observer.ts";

/** The database could not be reached. */
export class DatabaseUnavailable extends Error {
  /** UNKNOWN only if the answer of COMMIT was lost, and could not be found out. */
  readonly outcome: "NOT_APPLIED" | "UNKNOWN";

  constructor(outcome: "NOT_APPLIED" | "UNKNOWN", cause: unknown) {
    super("the database cannot be reached", { cause });
    this.outcome = outcome;
  }
}

/** A bug that one command meets: it was rolled back, alone. */
export class CommandFailed extends Error {
  constructor(cause: unknown) {
    super("the command failed", { cause });
  }
}

const ATTEMPTS = 5;
const RETRY_PAUSE_MS = 20;
const RETRY_PAUSE_MAX_MS = 500;
// Longer than PostgreSQL takes to start again, and than most callers wait.
const FIND_OUT_MS = 30_000;

/** Reads the time in a transaction: the database's, unless a test shifts it. */
export type Clock = (run: Run) => Promise<Micros>;

type Answers = readonly (Answer | Rejection)[];

/** What a command came to: its answer, its refusal, or why neither is known. */
export type Result = Answer | Rejection | DatabaseUnavailable | CommandFailed;

type Circumstances = {
  readonly clock: Clock;
  readonly observer: BatchObserver;
  /** What became of the attempt before, if its COMMIT was not answered. */
  readonly lost: CommitLost | undefined;
};

/**
 * A batch whose COMMIT was not answered: what it changed and would have answered. Without changes
 * it was only to wait for the standbys, and is decided anew.
 */
class CommitLost extends Error {
  readonly changes: Changes | undefined;
  readonly answers: Answers;

  constructor(changes: Changes | undefined, answers: Answers, cause: unknown) {
    super("the answer of COMMIT was lost", { cause });
    this.changes = changes;
    this.answers = answers;
  }
}

/**
 * Applies commands in one transaction, and answers each of them after COMMIT. A refused command
 * changes nothing and does not fail its neighbours. Where the answer of COMMIT is lost, the next
 * attempt finds out what became of it. It never throws: the results are as many as the commands, in
 * their order, with a `DatabaseUnavailable` for each where there was no database.
 *
 * @param clock read once a transaction, after its locks
 * @param gone fires when there is no database any more, and nothing to be found out
 */
export async function commit(
  orm: Orm,
  commands: readonly Command[],
  clock: Clock = databaseNow,
  observer: BatchObserver = UNOBSERVED,
  gone?: AbortSignal,
): Promise<readonly Result[]> {
  const started = performance.now();
  let lost: CommitLost | undefined;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transact(orm, commands, { clock, observer, lost });
    } catch (error) {
      if (error instanceof CommitLost) lost = error;
      const fault = lost === undefined ? faultOf(error) : "away";
      if (fault === "bug") {
        if (commands.length === 1) return [new CommandFailed(error)];
        observer.retried(fault, error);
        const commitHalf = (half: readonly Command[]) => commit(orm, half, clock, observer, gone);
        return splitBatch(commands, commitHalf);
      }
      const isLast =
        lost === undefined ? attempt === ATTEMPTS : performance.now() - started > FIND_OUT_MS;
      if (isLast || gone?.aborted === true) {
        const outcome = lost === undefined ? "NOT_APPLIED" : "UNKNOWN";
        observer.failed(commands.length, outcome, error);
        const unavailable = new DatabaseUnavailable(outcome, error);
        return commands.map(() => unavailable);
      }
      observer.retried(fault, error);
      // A pooled connection may just have died with the database's last run; the next is new.
      if (fault === "away") await sleep(Math.min(RETRY_PAUSE_MS * attempt, RETRY_PAUSE_MAX_MS));
    }
  }
}

async function transact(
  orm: Orm,
  commands: readonly Command[],
  { clock, observer, lost }: Circumstances,
): Promise<Answers> {
  const done = stopwatch(observer);
  return inTransaction(orm, async (transaction, commitTransaction) => {
    const { run } = transaction;
    const userIds = [...new Set(commands.map(({ userId }) => userId))].toSorted();
    const locked = lockAccounts(transaction, userIds).finally(() => done("lock"));
    // All of it is sent at once and runs in this order: the clock is read when the locks are held,
    // and what is loaded is what the batches before this one left.
    const [now, states, repeats] = await Promise.all([
      clock(run),
      loadStates(run, userIds, commands, locked),
      loadRepeats(run, commands, locked),
    ]);
    done("load");
    if (lost?.changes !== undefined && (await isCommitted(run, lost.changes))) {
      const { changes, answers } = lost;
      await waitForStandbys(transaction, commitTransaction).catch(unsureOf(changes, answers));
      observer.committed(changes.entries);
      return answers;
    }

    const batch = startBatch(now, states, repeats);
    const answers = commands.map((command) => answer(batch, command));

    const changes = changesOf(batch);
    done("apply");
    if (changes === undefined) {
      // Nothing to make durable, and nothing to wait for but what an earlier batch made.
      if (answers.some(isRepeat)) {
        await waitForStandbys(transaction, commitTransaction).catch(unsureOf(undefined, answers));
      }
      return answers;
    }
    await save(run, changes);
    done("save");
    await commitTransaction().catch(unsureOf(changes, answers));
    done("commit");
    observer.committed(changes.entries);
    return answers;
  });
}

/** What to do where a COMMIT fails: if its answer was lost, the next attempt has to find out. */
function unsureOf(changes: Changes | undefined, answers: Answers): (error: unknown) => never {
  return (error) => {
    throw faultOf(error) === "away" ? new CommitLost(changes, answers, error) : error;
  };
}

/** Whether somebody is told that an earlier batch was committed. */
function isRepeat(one: Answer | Rejection): boolean {
  if (isRejection(one)) return false;
  // An account that has no entry was made by an earlier GetOrCreate.
  return one.replayed || (!one.created && one.account.sequence === 0n);
}

/** Tells how long it took since the step before. */
function stopwatch(observer: BatchObserver): (step: BatchStep) => void {
  let since = performance.now();
  return (step) => {
    const now = performance.now();
    observer.stepped(step, now - since);
    since = now;
  };
}

/** Finds the one command that a batch fails on: its neighbours are applied without it. */
async function splitBatch(
  commands: readonly Command[],
  commitHalf: (half: readonly Command[]) => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  const middle = commands.length >> 1;
  return [
    ...(await commitHalf(commands.slice(0, middle))),
    ...(await commitHalf(commands.slice(middle))),
  ];
}
