import { type Account, timeOf } from "./account.ts";
import { type AccountState, assertSound } from "./state.ts";
import { apply } from "./apply.ts";
import type { Command } from "./command.ts";
import { bookDue, countDue } from "./due.ts";
import { accountAfter, type Entry } from "./entry.ts";
import type { Hold } from "./hold.ts";
import type { Applied } from "./journal.ts";
import type { Lot } from "./lot.ts";
import { nextReceipt, type Receipt } from "./receipt.ts";
import { isRejection, type Rejection } from "./rejection.ts";
import { type Remembered, repeatOf, requestKey } from "./repeat.ts";
import type { Micros } from "./time.ts";

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

/** Commands that are decided together, at one instant: what they found, and what they did. */
export type Batch = {
  readonly now: Micros;
  readonly before: ReadonlyMap<string, AccountState>;
  readonly states: Map<string, AccountState>;
  /** By `requestKey`. */
  readonly repeats: Map<string, Remembered>;
  readonly entries: Entry[];
  readonly receipts: Receipt[];
  /** For whom this batch has done as much as it may: their commands wait for the next. */
  readonly waiting: Set<string>;
  /** In how many lots it has moved points, of users for whom they were many. */
  readonly moved: Map<string, number>;
  /** The last entry that was booked by itself, of users whose first command is still to come. */
  readonly lastDue: Map<string, Entry>;
};

type OfUser<T> = T & { readonly userId: string };

/** All that a batch changed. */
export type Changes = {
  readonly newAccounts: readonly Account[];
  /** Accounts that were there before and have new entries, in order of id. */
  readonly accounts: readonly Account[];
  readonly newLots: readonly OfUser<Lot>[];
  /** Lots that were there before and have changed, each once. */
  readonly lots: readonly OfUser<Lot>[];
  /** Holds that were made or changed, each once. */
  readonly holds: readonly OfUser<Hold>[];
  /** How much is now refunded of the entries of which something was. */
  readonly refunds: readonly OfUser<{ readonly sequence: bigint; readonly refunded: bigint }>[];
  readonly entries: readonly Entry[];
  /** Of each account in their order. */
  readonly receipts: readonly Receipt[];
};

/**
 * A batch books so much of what is due by itself, of all accounts together, in lots and in entries
 * about none. It is what a batch of as many commands costs, so that nobody waits longer for it:
 * 30 to 40 ms for 500 holds, 20 ms for 500 lots (`npm run bench:due`).
 */
export const DUE_MAX = 500;

/**
 * A batch moves points in so many lots of an account, and then its other commands wait. An account
 * of thousands of lots may freeze and release all of them in each command.
 */
const MOVED_MAX = 2_000;

/** An entry of so few lots is not counted. */
const FEW_LOTS = 16;

/**
 * Starts a batch on the accounts that its commands name, and books what is due of them. That is
 * kept whatever becomes of the commands.
 *
 * @param found those that exist
 * @param repeats the commands that were applied before, by `requestKey`
 */
export function startBatch(
  now: Micros,
  found: readonly AccountState[],
  repeats: ReadonlyMap<string, Remembered>,
): Batch {
  found.forEach(assertSound);
  const before = new Map(found.map((state) => [state.account.userId, state]));
  const states = new Map(before);
  const entries: Entry[] = [];
  const waiting = new Set<string>();
  const lastDue = new Map<string, Entry>();
  let room = DUE_MAX;
  for (const state of fewestDueFirst(found, now)) {
    const { userId } = state.account;
    const booked = bookDue(state, timeOf(state.account, now), room);
    room -= booked.size;
    states.set(userId, booked.state);
    entries.push(...booked.entries);
    if (!booked.isAll) waiting.add(userId);
    else lastDue.set(userId, booked.entries.at(-1)!);
  }
  const moved = new Map<string, number>();
  const startedWith = { now, before, states, repeats: new Map(repeats) };
  return { ...startedWith, entries, receipts: [], waiting, moved, lastDue };
}

/** Those of whom something is due: who has little never waits for who has much. */
function fewestDueFirst(found: readonly AccountState[], now: Micros): readonly AccountState[] {
  const counted = found.map((state) => ({
    state,
    due: countDue(state, timeOf(state.account, now)),
  }));
  const due = counted.filter((one) => one.due > 0).toSorted((a, b) => a.due - b.due);
  return due.map(({ state }) => state);
}

/**
 * Answers a repeat as it was answered first, or applies the command. Not for the commands of users
 * who are `waiting`.
 */
export function answer(batch: Batch, command: Command): Answer | Rejection {
  const lastDue = batch.lastDue.get(command.userId);
  batch.lastDue.delete(command.userId);
  const request = command.kind === "open" ? undefined : command.request;
  const key = request === undefined ? undefined : requestKey(command.userId, request.id);
  const first = key === undefined ? undefined : batch.repeats.get(key);
  if (request !== undefined && first !== undefined) {
    const repeat = repeatOf(request, first);
    if (isRejection(repeat)) return repeat;
    return { entry: repeat.entry, account: repeat.account, replayed: true, created: false };
  }

  const state = batch.states.get(command.userId);
  const now = timeOf(state?.account, batch.now);
  const applied = apply(state, command, now, lastDue);
  if (isRejection(applied)) return applied;

  const { entry } = applied;
  const account = accountAnswered(applied);
  batch.states.set(command.userId, applied.state);
  batch.entries.push(...applied.entries);
  for (const { allocations } of applied.entries) count(batch, command.userId, allocations.length);
  if (request !== undefined && key !== undefined) {
    batch.repeats.set(key, { request, entry, account });
  }
  const madeOnlyAccount = state === undefined && entry === undefined;
  if (entry?.request !== request || madeOnlyAccount) {
    const receipt = nextReceipt(applied.state.lastReceipt, request, { entry, account });
    batch.receipts.push(receipt);
    batch.states.set(command.userId, { ...applied.state, lastReceipt: receipt });
  }
  return { entry, account, replayed: false, created: state === undefined };
}

function count({ moved, waiting }: Batch, userId: string, lots: number): void {
  if (lots <= FEW_LOTS) return;
  const sum = (moved.get(userId) ?? 0) + lots;
  moved.set(userId, sum);
  if (sum >= MOVED_MAX) waiting.add(userId);
}

/** The account as the command's own entry left it; what is booked after that comes later. */
function accountAnswered({ entry, state: { account } }: Applied): Account {
  return entry === undefined ? account : accountAfter(entry, account.createTime);
}

/** What is to be saved; undefined if nothing changed. */
export function changesOf({ before, states, entries, receipts }: Batch): Changes | undefined {
  const changed = [...states.values()]
    .filter(({ account }) => before.get(account.userId)?.account !== account)
    .toSorted((a, b) => (a.account.userId < b.account.userId ? -1 : 1));
  changed.forEach(assertSound);
  if (changed.length + receipts.length === 0) return undefined;

  const accounts = changed.map(({ account }) => account);
  const lots = changed.flatMap((state) => fresh(state, before, (of) => of.lots));
  const isNew = ({ userId, number }: OfUser<Lot>) =>
    number > (before.get(userId)?.account.sequence ?? 0n);
  return {
    newAccounts: accounts.filter(({ userId }) => !before.has(userId)),
    accounts: accounts.filter(({ userId }) => before.has(userId)),
    newLots: lots.filter(isNew),
    lots: lots.filter((lot) => !isNew(lot)),
    holds: changed.flatMap((state) => fresh(state, before, ({ holds }) => holds)),
    refunds: changed.flatMap(({ account: { userId }, refunded }) =>
      [...refunded]
        .filter(([sequence, points]) => before.get(userId)?.refunded.get(sequence) !== points)
        .map(([sequence, points]) => ({ userId, sequence, refunded: points })),
    ),
    entries,
    receipts,
  };
}

/** What is no longer the very object that it was. */
function fresh<T extends object>(
  state: AccountState,
  before: ReadonlyMap<string, AccountState>,
  of: (state: AccountState) => readonly T[],
): OfUser<T>[] {
  const { userId } = state.account;
  const old = before.get(userId);
  const unchanged = old === undefined ? [] : of(old);
  if (of(state) === unchanged) return [];
  const known = new Set(unchanged);
  return of(state)
    .filter((one) => !known.has(one))
    .map((one) => ({ ...one, userId }));
}
