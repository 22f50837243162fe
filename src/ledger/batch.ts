import type { Account } from "./account.ts";
import { type AccountState, assertSound } from "./state.ts";
import { apply } from "./apply.ts";
import type { Command } from "./command.ts";
import { accountAfter, type Entry } from "./entry.ts";
import type { Hold } from "./hold.ts";
import type { Applied } from "./journal.ts";
import type { Lot } from "./lot.ts";
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
  readonly receipts: Remembered[];
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
  /** Named requests that succeeded without an entry. */
  readonly receipts: readonly Remembered[];
};

/**
 * Starts a batch on the accounts that its commands name.
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
  return {
    now,
    before,
    states: new Map(before),
    repeats: new Map(repeats),
    entries: [],
    receipts: [],
  };
}

/** Answers a repeat as it was answered first, or applies the command. */
export function answer(batch: Batch, command: Command): Answer | Rejection {
  const request = command.kind === "open" ? undefined : command.request;
  const key = request === undefined ? undefined : requestKey(command.userId, request.id);
  const first = key === undefined ? undefined : batch.repeats.get(key);
  if (request !== undefined && first !== undefined) {
    const repeat = repeatOf(request, first);
    if (isRejection(repeat)) return repeat;
    return { entry: repeat.entry, account: repeat.account, replayed: true, created: false };
  }

  const state = batch.states.get(command.userId);
  const applied = apply(state, command, batch.now);
  if (isRejection(applied)) return applied;

  const { entry } = applied;
  const account = accountAnswered(applied);
  batch.states.set(command.userId, applied.state);
  batch.entries.push(...applied.entries);
  if (request !== undefined && key !== undefined) {
    const remembered = { request, entry, account };
    batch.repeats.set(key, remembered);
    if (entry === undefined) batch.receipts.push(remembered);
  }
  return { entry, account, replayed: false, created: state === undefined };
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
