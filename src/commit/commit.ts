import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, faultOf, isUnavailable } from "../errors/database-fault.ts";
import { type Answer, answer, type Changes, changesOf, startBatch } from "../ledger/batch.ts";
import type { Command } from "../ledger/command.ts";
import { SALT_BYTES } from "../ledger/digests.ts";
import type { FirstPolicy } from "../ledger/first-policies.ts";
import { isRejection, type Rejection } from "../ledger/rejection.ts";
import { usersOnTrial } from "../ledger/trial.ts";
import { usersVisited } from "../ledger/visit.ts";
import { isCommitted } from "../store/batch/committed.ts";
import { loadStates } from "../store/batch/load.ts";
import { lockAccounts } from "../store/batch/lock.ts";
import { loadRepeats } from "../store/batch/repeats.ts";
import { saving } from "../store/batch/save.ts";
import { batchMoment, type Moment } from "../store/driver/clock.ts";
import type { Orm } from "../store/driver/orm.ts";
import { TRANSACTION_MAX_MS } from "../store/driver/session.ts";
import { waitForStandbys } from "../store/driver/standbys.ts";
import { inTransaction, RolledBack, type Run } from "../store/driver/transaction.ts";
import { LATER } from "./batcher.ts";
import { type BatchObserver, type BatchStep, UNOBSERVED } from "./observer.ts";

/** The database could not be reached. */
export class DatabaseUnavailable extends Error {
  /** UNKNOWN only if the answer of COMMIT was lost, and its outcome could not be found out. */
  readonly outcome: "NOT_APPLIED" | "UNKNOWN";

  constructor(outcome: "NOT_APPLIED" | "UNKNOWN", cause: unknown) {
    super("the database cannot be reached", { cause });
    this.outcome = outcome;
  }
}

/** One command runs into a bug: it was rolled back, alone. */
export class CommandFailed extends Error {
  constructor(cause: unknown) {
    super("the command failed", { cause });
  }
}

const MAX_ATTEMPTS = 5;
const RETRY_PAUSE_MS = 20;
const RETRY_PAUSE_MAX_MS = 500;
// Longer than PostgreSQL takes to restart, and longer than most callers wait.
const RETRY_MAX_MS = 30_000;
// The least time limit, however often a batch was halved: it may wait for another server's lock.
const LIMIT_MIN_MS = 250;

/** Reads the time in a transaction: the database's, unless a test shifts it. */
export type Clock = (run: Run) => Promise<Moment>;

export type CommitOptions = {
  /** It is read once a transaction, after its locks. By default it is the database's. */
  readonly clock?: Clock;
  readonly observer?: BatchObserver;
  /** The policies that new accounts get, from now on. By default none. */
  readonly firstPolicies?: () => readonly FirstPolicy[];
  /** Fires when the database is gone for good, so that retries are pointless. */
  readonly gone?: AbortSignal | undefined;
};

/** An answer, and the epoch of the transaction that gave it: of a repeat, not of its entry. */
export type Answered = Answer & { readonly epoch: bigint };

type Answers = readonly (Answered | Rejection | typeof LATER)[];

/** The result of a command: its answer, its refusal, or why neither is known. */
export type Result = Answered | Rejection | DatabaseUnavailable | CommandFailed;

type Results = readonly (Result | typeof LATER)[];

type Context = Required<CommitOptions> & { readonly orm: Orm };

/** The attempts to commit the same commands. */
type Attempts = {
  readonly commands: readonly Command[];
  /** The number of attempts that failed. */
  failed: number;
  /** In milliseconds of `performance.now()`. */
  readonly started: number;
  limitMs: number;
  /** The attempt before, while the outcome of its COMMIT is not known. */
  lost: CommitLost | undefined;
  /** Whether no attempt has failed, of this batch nor of one that it is a half of. */
  isFirst: boolean;
};

/**
 * A batch whose COMMIT got no answer: its changes, and the answers that it would have given. Without
 * changes, its COMMIT was only to wait for the standbys, and the batch is decided anew.
 */
class CommitLost extends Error {
  readonly changes: Changes | undefined;
  readonly answers: Answers;
  /** Whether it locked an account that existed: another that gets this lock knows that it has ended. */
  readonly hadLocks: boolean;

  constructor({ changes, answers, hadLocks }: Committing, cause: unknown) {
    super("the answer of COMMIT was lost", { cause });
    this.changes = changes;
    this.answers = answers;
    this.hadLocks = hadLocks;
  }
}

type Committing = Pick<CommitLost, "changes" | "answers" | "hadLocks">;

/**
 * Group commit's one transaction: applies commands, and answers each of them after COMMIT. A refused
 * command changes nothing and does not fail its neighbours. If the answer of COMMIT is lost, the
 * next attempt finds out its outcome.
 *
 * It never throws. It gives a result for each command, in their order: `DatabaseUnavailable` for all
 * of them if there was no database, and `LATER` for the commands of an account on which more is due
 * than one batch books, or that has not its turn (see `whoWaits`).
 */
export async function commit(
  orm: Orm,
  commands: readonly Command[],
  {
    clock = batchMoment,
    observer = UNOBSERVED,
    firstPolicies = NO_POLICIES,
    gone,
  }: CommitOptions = {},
): Promise<Results> {
  const limitMs = TRANSACTION_MAX_MS;
  const context = { orm, clock, observer, firstPolicies, gone };
  return retry(context, attemptsOf({ commands, limitMs, isFirst: true }));
}

function attemptsOf(
  begun: Pick<Attempts, "commands" | "limitMs" | "isFirst"> & { readonly failed?: number },
): Attempts {
  return { failed: 0, started: performance.now(), lost: undefined, ...begun };
}

async function retry(context: Context, attempts: Attempts): Promise<Results> {
  const { observer, gone } = context;
  const { commands } = attempts;
  for (;;) {
    try {
      return await transact(context, attempts);
    } catch (error) {
      attempts.failed += 1;
      attempts.isFirst = false;
      if (error instanceof CommitLost) attempts.lost = error;
      const fault = attempts.lost === undefined ? faultOf(error) : "away";
      if (fault === "bug" && commands.length === 1) return [new CommandFailed(error)];
      if (isLast(attempts, fault) || gone?.aborted === true) {
        const outcome = attempts.lost === undefined ? "NOT_APPLIED" : "UNKNOWN";
        observer.failed(commands.length, outcome, error);
        const unavailable = new DatabaseUnavailable(outcome, error);
        return commands.map(() => unavailable);
      }
      observer.retried(fault, error);
      // A single command may take too long or end the session. Halves with half the limit find it,
      // and its neighbours wait for twice the limit at most and are applied without it.
      const isHeavy = fault === "timeout" || fault === "cut";
      if (isHeavy) attempts.limitMs = Math.max(LIMIT_MIN_MS, attempts.limitMs / 2);
      if (commands.length > 1 && (isHeavy || fault === "bug")) {
        const failed = fault === "cut" ? attempts.failed : 0;
        return splitBatch(commands, (half) =>
          retry(
            context,
            attemptsOf({ commands: half, limitMs: attempts.limitMs, isFirst: false, failed }),
          ),
        );
      }
      // The connection may have died with the database's last run; a later one is new.
      if (fault === "away" || fault === "cut") {
        await sleep(Math.min(RETRY_PAUSE_MS * attempts.failed, RETRY_PAUSE_MAX_MS));
      }
    }
  }
}

/** Whether this attempt was the last, so that the callers get its error. */
function isLast({ commands, failed, started, lost }: Attempts, fault: Fault): boolean {
  if (performance.now() - started > RETRY_MAX_MS) return true;
  if (lost !== undefined || fault === "bug") return false;
  return failed >= MAX_ATTEMPTS && (commands.length === 1 || fault !== "timeout");
}

/** One attempt: the transaction from its locks to its COMMIT. */
async function transact(context: Context, attempts: Attempts): Promise<Answers> {
  const { orm, clock, observer, firstPolicies } = context;
  const { commands } = attempts;
  const done = stopwatch(observer);
  return inTransaction(
    orm,
    async (transaction) => {
      const { run, epoch } = transaction;

      // Lock, read the clock, load. All statements are sent at once and run in this order: the clock
      // is read under the locks, and what is loaded is what the batches before this one left.
      const userIds = [...new Set(commands.map(({ userId }) => userId))].toSorted();
      const locked = lockAccounts(transaction, userIds).finally(() => done("lock"));
      const read = clock(run);
      const [{ now, transactionId }, { states, rows, waiting }, repeats] = await Promise.all([
        read,
        loadStates(run, { commands, locked, moment: read }),
        loadRepeats(run, commands, locked),
      ]);
      const hadLocks = rows.accounts.size > 0;
      done("load");

      // Exactly-once: find out the outcome of a COMMIT without an answer. If it succeeded, so did its
      // answers.
      const { lost } = attempts;
      if (lost?.changes !== undefined) {
        if (await isCommitted(run, lost.changes)) {
          await waitForStandbys(transaction).catch(unsureOf(lost));
          observer.committed(lost.changes.entries);
          return lost.answers.map((one) => (one === LATER ? one : inEpoch(one, epoch)));
        }
        // It did not, and never will: these locks show that its transaction has ended. But if all its
        // accounts were new, it had no locks and may still be under way: our insert waits for it.
        if (lost.hadLocks) {
          attempts.lost = undefined;
          attempts.failed = 0;
        }
      }

      // Book what is due, and decide each command in memory.
      const salts = newSalts(userIds, rows.accounts);
      const asked = { onTrial: usersOnTrial(commands), visited: usersVisited(commands) };
      const start = { found: states, repeats, salts, waiting, ...asked };
      const batch = startBatch(now, { ...start, firstPolicies: firstPolicies() });
      const answers = commands.map((command) =>
        batch.waiting.has(command.userId) ? LATER : inEpoch(answer(batch, command), epoch),
      );
      const changes = changesOf(batch);
      done("apply");

      // Without changes there is nothing to make durable, but a repeat answers with what an earlier
      // batch changed, which may have to wait for the standbys.
      if (changes === undefined) {
        if (answers.some(isRepeat)) {
          const nothing = { changes: undefined, answers, hadLocks };
          await waitForStandbys(transaction).catch(unsureOf(nothing));
        }
        return answers;
      }

      // Save, COMMIT, and only then answer. All is sent at once: if a statement fails, COMMIT rolls
      // back. After a failure COMMIT waits for the statements, so that it is known which one failed;
      // without locks too, since a COMMIT that got no answer would be in doubt for long.
      const statements = saving(changes, { rows, epoch, transactionId });
      const atOnce = attempts.isFirst && hadLocks;
      if (!atOnce) await Promise.all(statements.map(run));
      await transaction
        .commit(atOnce ? statements : [], () => done("save"))
        .catch(unsureOf({ changes, answers, hadLocks }));
      done("commit");
      observer.committed(changes.entries);
      return answers;
    },
    attempts.limitMs,
  );
}

/** A random salt for each user who has no account. */
function newSalts(
  userIds: readonly string[],
  found: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, Uint8Array> {
  if (found.size === userIds.length) return NO_SALTS;
  const others = userIds.filter((userId) => !found.has(userId));
  return new Map(others.map((userId) => [userId, randomBytes(SALT_BYTES)]));
}

const NO_POLICIES = () => [];

const NO_SALTS: ReadonlyMap<string, Uint8Array> = new Map();

/** Handles an error of COMMIT: if its answer was lost, the next attempt finds out its outcome. */
function unsureOf(committing: Committing): (error: unknown) => never {
  return (error) => {
    if (error instanceof RolledBack) throw error.cause ?? error;
    throw isUnavailable(error) ? new CommitLost(committing, error) : error;
  };
}

/** An answer with the epoch of the transaction that gives it. */
function inEpoch(one: Answer | Rejection, epoch: bigint): Answered | Rejection {
  return isRejection(one) ? one : { ...one, epoch };
}

/** Whether an answer tells its caller that an earlier batch was committed. */
function isRepeat(one: Answers[number]): boolean {
  if (one === LATER || isRejection(one)) return false;
  // An account to which nothing happened since an earlier batch made it: maybe by GetOrCreate.
  const { createTime, updateTime } = one.account;
  return one.replayed || (!one.created && updateTime === createTime);
}

/** Tells the observer the time since the step before. */
function stopwatch(observer: BatchObserver): (step: BatchStep) => void {
  let since = performance.now();
  return (step) => {
    const now = performance.now();
    observer.stepped(step, now - since);
    since = now;
  };
}

/**
 * Commits a failed batch in two halves, so that the one command that fails ends up alone. If an
 * account's commands have to wait in the first half, those in the second wait too, to keep their
 * order.
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
