import { setTimeout as sleep } from "node:timers/promises";
import { FlushMode } from "@mikro-orm/postgresql";
import { type Account, type AccountState, assertSound } from "../ledger/account.ts";
import { apply } from "../ledger/apply.ts";
import type { Command } from "../ledger/command.ts";
import type { Entry } from "../ledger/entry.ts";
import { isRejection, type Rejection } from "../ledger/rejection.ts";
import { repeatOf } from "../ledger/repeat.ts";
import type { Micros } from "../ledger/time.ts";
import { databaseNow } from "../store/clock.ts";
import { faultOf } from "../store/faults.ts";
import { lockAccounts } from "../store/lock.ts";
import { loadLots, type LotName } from "../store/lots.ts";
import type { EntityManager, Orm } from "../store/orm.ts";
import { loadRepeats, type Repeats, requestKey } from "../store/repeats.ts";
import { type Changes, save } from "../store/save.ts";

/** What an accepted command comes to. */
export type Answer = {
  /** Undefined if it had nothing to do. */
  readonly entry: Entry | undefined;
  /** The account as the command left it. */
  readonly account: Account;
  /** Whether this was answered before, to the same request id. */
  readonly replayed: boolean;
  /** Whether the command made the account. */
  readonly created: boolean;
};

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

/**
 * Applies commands in one transaction, and answers each of them after COMMIT. A refused command
 * changes nothing and does not fail its neighbours.
 *
 * @returns one answer or refusal a command, in their order
 * @throws {DatabaseUnavailable} for all of them
 * @throws what one command caused, if it is the only one: a batch with a bug in it is split until
 * only the command at fault fails
 */
export async function commit(
  orm: Orm,
  commands: readonly Command[],
): Promise<readonly (Answer | Rejection | Error)[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transact(orm, commands);
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error;
      const fault = faultOf(error);
      if (fault === "bug") return splitBatch(orm, commands, error);
      if (attempt === ATTEMPTS) throw new DatabaseUnavailable("NOT_APPLIED", error);
      // A pooled connection may just have died with the database's last run; the next is new.
      if (fault === "away") await sleep(RETRY_PAUSE_MS * attempt);
    }
  }
}

async function transact(
  orm: Orm,
  commands: readonly Command[],
): Promise<readonly (Answer | Rejection)[]> {
  const em = orm.em.fork({ flushMode: FlushMode.COMMIT });
  await em.begin();
  let answers: readonly (Answer | Rejection)[];
  try {
    const userIds = [...new Set(commands.map(({ userId }) => userId))].sort();
    const accounts = await lockAccounts(em, userIds);
    const now = await databaseNow(em);
    const lots = await loadLots(em, userIds, namedLots(commands));
    const repeats = await loadRepeats(em, namedRequests(commands), accounts);

    const before = new Map<string, AccountState>();
    for (const [userId, account] of accounts) {
      const state = { account, lots: lots.get(userId) ?? [] };
      assertSound(state);
      before.set(userId, state);
    }

    const work: Work = { now, states: new Map(before), repeats, entries: [], receipts: [] };
    answers = commands.map((command) => answer(work, command));

    const changes = changesOf(before, work);
    if (isUnchanged(changes)) {
      // Nothing to make durable, so nothing to wait for.
      await em.rollback();
      return answers;
    }
    await save(em, changes);
  } catch (error) {
    await em.rollback().catch(() => {});
    throw error;
  }
  await commitTransaction(em);
  return answers;
}

/** What a batch has done so far: nobody but `transact` and its helpers sees it. */
type Work = {
  readonly now: Micros;
  readonly states: Map<string, AccountState>;
  readonly repeats: Repeats;
  readonly entries: Entry[];
  readonly receipts: Changes["receipts"][number][];
};

/** Answers a repeat, or applies the command. */
function answer(work: Work, command: Command): Answer | Rejection {
  const request = command.kind === "open" ? undefined : command.request;
  const key = request === undefined ? "" : requestKey(command.userId, request.id);
  const first = work.repeats.get(key);
  if (request !== undefined && first !== undefined) {
    const repeat = repeatOf(request, first);
    if (isRejection(repeat)) return repeat;
    return { entry: repeat.entry, account: repeat.account, replayed: true, created: false };
  }

  const state = work.states.get(command.userId);
  const applied = apply(state, command, work.now);
  if (isRejection(applied)) return applied;

  const { entry, entries } = applied;
  const { account } = applied.state;
  work.states.set(command.userId, applied.state);
  work.entries.push(...entries);
  if (request !== undefined) {
    const remembered = { request, entry, account };
    work.repeats.set(key, remembered);
    if (entry === undefined) work.receipts.push(remembered);
  }
  return { entry, account, replayed: false, created: state === undefined };
}

function changesOf(before: ReadonlyMap<string, AccountState>, work: Work): Changes {
  const changed = [...work.states.values()].filter(
    ({ account }) => before.get(account.userId)?.account !== account,
  );
  changed.forEach(assertSound);
  const inOrder = changed.map(({ account }) => account).sort((a, b) => (a.userId < b.userId ? -1 : 1));
  return {
    newAccounts: inOrder.filter(({ userId }) => !before.has(userId)),
    accounts: inOrder.filter(({ userId }) => before.has(userId)),
    lots: changed.flatMap(({ account: { userId }, lots }) => {
      const unchanged = new Set(before.get(userId)?.lots);
      return lots.filter((lot) => !unchanged.has(lot)).map((lot) => ({ ...lot, userId }));
    }),
    entries: work.entries,
    receipts: work.receipts,
  };
}

function isUnchanged({ newAccounts, accounts, receipts }: Changes): boolean {
  return newAccounts.length + accounts.length + receipts.length === 0;
}

async function commitTransaction(em: EntityManager): Promise<void> {
  try {
    await em.commit();
  } catch (error) {
    if (faultOf(error) === "away") throw new DatabaseUnavailable("UNKNOWN", error);
    throw error;
  }
}

async function splitBatch(
  orm: Orm,
  commands: readonly Command[],
  error: unknown,
): Promise<readonly (Answer | Rejection | Error)[]> {
  if (commands.length === 1) return [error instanceof Error ? error : new Error(String(error))];
  const middle = commands.length >> 1;
  return [
    ...(await commit(orm, commands.slice(0, middle))),
    ...(await commit(orm, commands.slice(middle))),
  ];
}

function namedLots(commands: readonly Command[]): LotName[] {
  return commands.flatMap((command) =>
    command.kind === "expire" && command.target.kind === "lot"
      ? [{ userId: command.userId, number: command.target.lot }]
      : [],
  );
}

function namedRequests(commands: readonly Command[]) {
  return commands.flatMap((command) =>
    command.kind !== "open" && command.request !== undefined
      ? [{ userId: command.userId, requestId: command.request.id }]
      : [],
  );
}
