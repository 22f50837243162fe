import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, answer, changesOf, startBatch } from "../ledger/batch.ts";
import type { Command } from "../ledger/command.ts";
import type { Rejection } from "../ledger/rejection.ts";
import type { Micros } from "../ledger/time.ts";
import { databaseNow } from "../store/clock.ts";
import { faultOf } from "../store/faults.ts";
import { loadStates } from "../store/load.ts";
import { lockAccounts } from "../store/lock.ts";
import type { Orm } from "../store/orm.ts";
import { loadRepeats } from "../store/repeats.ts";
import { save } from "../store/save.ts";
import { inTransaction, type Run } from "../store/transaction.ts";

/** The database could not be reached. */
export class DatabaseUnavailable extends Error {
  /** UNKNOWN only if the connection was lost at COMMIT: the batch may have been applied. */
  readonly outcome: "NOT_APPLIED" | "UNKNOWN";

  constructor(outcome: "NOT_APPLIED" | "UNKNOWN", cause: unknown) {
    super("the database cannot be reached", { cause });
    this.outcome = outcome;
  }
}

const ATTEMPTS = 5;
const RETRY_PAUSE_MS = 20;

/** Reads the time in a transaction: the database's, unless a test shifts it. */
export type Clock = (run: Run) => Promise<Micros>;

/** What a command came to: its answer, its refusal, or why neither is known. */
export type Result = Answer | Rejection | Error;

/**
 * Applies commands in one transaction, and answers each of them after COMMIT. A refused command
 * changes nothing and does not fail its neighbours. It never throws: the results are as many as
 * the commands, in their order, with a `DatabaseUnavailable` for each where there was no database.
 *
 * @param clock read once a transaction, after its locks
 */
export async function commit(
  orm: Orm,
  commands: readonly Command[],
  clock: Clock = databaseNow,
): Promise<readonly Result[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transact(orm, commands, clock);
    } catch (error) {
      if (error instanceof DatabaseUnavailable) return commands.map(() => error);
      const fault = faultOf(error);
      if (fault === "bug") return splitBatch(orm, commands, clock, error);
      if (attempt === ATTEMPTS) {
        const unavailable = new DatabaseUnavailable("NOT_APPLIED", error);
        return commands.map(() => unavailable);
      }
      // A pooled connection may just have died with the database's last run; the next is new.
      if (fault === "away") await sleep(RETRY_PAUSE_MS * attempt);
    }
  }
}

async function transact(
  orm: Orm,
  commands: readonly Command[],
  clock: Clock,
): Promise<readonly (Answer | Rejection)[]> {
  return inTransaction(orm, async (transaction, commitTransaction) => {
    const { run } = transaction;
    const userIds = [...new Set(commands.map(({ userId }) => userId))].toSorted();
    // The clock is sent behind the locks, and read when they are held.
    const [accounts, now] = await Promise.all([lockAccounts(transaction, userIds), clock(run)]);
    const [states, repeats] = await Promise.all([
      loadStates(run, accounts, commands, now),
      loadRepeats(run, commands, accounts),
    ]);

    const batch = startBatch(now, states, repeats);
    const answers = commands.map((command) => answer(batch, command));

    const changes = changesOf(batch);
    // Nothing to make durable: nothing to wait for.
    if (changes === undefined) return answers;
    await save(run, changes);
    try {
      await commitTransaction();
    } catch (error) {
      if (faultOf(error) === "away") throw new DatabaseUnavailable("UNKNOWN", error);
      throw error;
    }
    return answers;
  });
}

/** Finds the one command that a batch fails on: its neighbours are applied without it. */
async function splitBatch(
  orm: Orm,
  commands: readonly Command[],
  clock: Clock,
  error: unknown,
): Promise<readonly Result[]> {
  if (commands.length === 1) return [error instanceof Error ? error : new Error(String(error))];
  const middle = commands.length >> 1;
  return [
    ...(await commit(orm, commands.slice(0, middle), clock)),
    ...(await commit(orm, commands.slice(middle), clock)),
  ];
}
