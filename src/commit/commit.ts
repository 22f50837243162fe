import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, faultOf, isUnavailable } from "../errors/database-fault.ts";
import { type Answer, answer, type Changes, changesOf, startBatch } from "../ledger/batch.ts";
import type { Command } from "../ledger/command.ts";
import { isRejection, type Rejection } from "../ledger/rejection.ts";
import type { Micros } from "../ledger/time.ts";
import { isCommitted } from "../store/batch/committed.ts";
import { loadStates } from "../store/batch/load.ts";
import { lockAccounts } from "../store/batch/lock.ts";
import { loadRepeats } from "../store/batch/repeats.ts";
import { save } from "../store/batch/save.ts";
import { databaseNow } from "../store/driver/clock.ts";
import type { Orm } from "../store/driver/orm.ts";
import { TRANSACTION_MAX_MS } from "../store/driver/session.ts";
import { waitForStandbys } from "../store/driver/standbys.ts";
import { inTransaction, type Run } from "../store/driver/transaction.ts";
import { LATER } from "./batcher.ts";
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
// No half has less, however often its batch was halved: it may wait for another server's lock.
const LIMIT_MIN_MS = 250;

/** Reads the time in a transaction: the database's, unless a test shifts it. */
export type Clock = (run: Run) => Promise<Micros>;

type Answers = readonly (Answer | Rejection | typeof LATER)[];

/** What a command came to: its answer, its refusal, or why neither is known. */
export type Result = Answer | Rejection | DatabaseUnavailable | CommandFailed;

type Results = readonly (Result | typeof LATER)[];

type Context = {
  readonly orm: Orm;
  readonly clock: Clock;
  readonly observer: BatchObserver;
  readonly gone: AbortSignal | undefined;
};

/** One try after the other to commit the same commands. */
type Tries = {
  readonly commands: readonly Command[];
  /** How many there were. */
  made: number;
  readonly started: number;
  limitMs: number;
  /** The one before, while it is not known what became of its COMMIT. */
  lost: CommitLost | undefined;
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
 * try finds out what became of it. It never throws: the results are as many as the commands, in
 * their order, with a `DatabaseUnavailable` for each where there was no database, and `LATER` for
 * the commands of an account of which more is due than one batch books.
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
): Promise<Results> {
  return commitWithin({ orm, clock, observer, gone }, commands, TRANSACTION_MAX_MS, 0);
}

async function commitWithin(
  context: Context,
  commands: readonly Command[],
  limitMs: number,
  made: number,
): Promise<Results> {
  const { observer, gone } = context;
  const started = performance.now();
  const tries: Tries = { commands, made, started, limitMs, lost: undefined };
  for (;;) {
    try {
      return await transact(context, tries);
    } catch (error) {
      tries.made += 1;
      if (error instanceof CommitLost) tries.lost = error;
      const fault = tries.lost === undefined ? faultOf(error) : "away";
      if (fault === "bug" && commands.length === 1) return [new CommandFailed(error)];
      if (isLast(tries, fault) || gone?.aborted === true) {
        const outcome = tries.lost === undefined ? "NOT_APPLIED" : "UNKNOWN";
        observer.failed(commands.length, outcome, error);
        const unavailable = new DatabaseUnavailable(outcome, error);
        return commands.map(() => unavailable);
      }
      observer.retried(fault, error);
      // One command may be what takes too long, or ends the session: the others shall wait for
      // twice the limit at the most, and be applied without it.
      const isHeavy = fault === "timeout" || fault === "cut";
      if (isHeavy) tries.limitMs = Math.max(LIMIT_MIN_MS, tries.limitMs / 2);
      if (commands.length > 1 && (isHeavy || fault === "bug")) {
        const triesMade = fault === "cut" ? tries.made : 0;
        return splitBatch(commands, (half) =>
          commitWithin(context, half, tries.limitMs, triesMade),
        );
      }
      // A pooled connection may just have died with the database's last run; the next is new.
      if (fault === "away" || fault === "cut") {
        await sleep(Math.min(RETRY_PAUSE_MS * tries.made, RETRY_PAUSE_MAX_MS));
      }
    }
  }
}

/** Whether the callers are to be told, and it is not tried again. */
function isLast({ commands, made, started, lost }: Tries, fault: Fault): boolean {
  if (performance.now() - started > FIND_OUT_MS) return true;
  if (lost !== undefined || fault === "bug") return false;
  return made >= ATTEMPTS && (commands.length === 1 || fault !== "timeout");
}

async function transact({ orm, clock, observer }: Context, tries: Tries): Promise<Answers> {
  const { commands, lost } = tries;
  const done = stopwatch(observer);
  return inTransaction(
    orm,
    async (transaction, commitTransaction) => {
      const { run } = transaction;
      const userIds = [...new Set(commands.map(({ userId }) => userId))].toSorted();
      const locked = lockAccounts(transaction, userIds).finally(() => done("lock"));
      // All of it is sent at once and runs in this order: the clock is read when the locks are
      // held, and what is loaded is what the batches before this one left.
      const read = clock(run);
      const [now, states, repeats] = await Promise.all([
        read,
        loadStates(run, userIds, commands, locked, read),
        loadRepeats(run, commands, locked),
      ]);
      done("load");
      if (lost?.changes !== undefined) {
        const { changes, answers } = lost;
        if (await isCommitted(run, changes)) {
          await waitForStandbys(transaction, commitTransaction).catch(unsureOf(changes, answers));
          observer.committed(changes.entries);
          return answers;
        }
        // It never will be: what held these locks has ended, and it is as if it had never been tried.
        // An account that it made nobody has locked, and it may still be under way: then the insert
        // of ours waits for it.
        if (changes.newAccounts.length === 0) {
          tries.lost = undefined;
          tries.made = 0;
        }
      }

      const batch = startBatch(now, states, repeats);
      const answers = commands.map((command) =>
        batch.waiting.has(command.userId) ? LATER : answer(batch, command),
      );

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
    },
    tries.limitMs,
  );
}

/** What to do where a COMMIT fails: if its answer was lost, the next attempt has to find out. */
function unsureOf(changes: Changes | undefined, answers: Answers): (error: unknown) => never {
  return (error) => {
    throw isUnavailable(error) ? new CommitLost(changes, answers, error) : error;
  };
}

/** Whether somebody is told that an earlier batch was committed. */
function isRepeat(one: Answers[number]): boolean {
  if (one === LATER || isRejection(one)) return false;
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

/**
 * Finds the one command that a batch fails on: its neighbours are applied without it. Commands of
 * a user who waits since the first half wait with those there, to stay in their order.
 */
async function splitBatch(
  commands: readonly Command[],
  commitHalf: (half: readonly Command[]) => Promise<Results>,
): Promise<Results> {
  const middle = commands.length >> 1;
  const first = await commitHalf(commands.slice(0, middle));
  const waiting = new Set(
    first.flatMap((result, index) => (result === LATER ? [commands[index]!.userId] : [])),
  );
  const rest = commands.slice(middle);
  const ready = rest.filter(({ userId }) => !waiting.has(userId));
  const second = (ready.length === 0 ? [] : await commitHalf(ready)).values();
  const ofRest = rest.map(({ userId }) => (waiting.has(userId) ? LATER : second.next().value!));
  return [...first, ...ofRest];
}
