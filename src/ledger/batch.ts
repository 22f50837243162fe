import { type Account, timeOf } from "./account.ts";
import type { Mode } from "./agenda.ts";
import { apply } from "./apply.ts";
import { countClaims, type Revocation } from "./claim.ts";
import type { Command } from "./command.ts";
import { recorded } from "./digests.ts";
import { bookDue, countDue, dueTimeOf } from "./due.ts";
import { accountAfter, type Entry } from "./entry.ts";
import { type Hold, isOpenHold } from "./hold.ts";
import { type AnsweredRequest, answerRepeat, idempotencyKey, requestOf } from "./idempotency.ts";
import { assertSound } from "./invariants.ts";
import type { FirstPolicy } from "./first-policies.ts";
import type { Applied } from "./journal.ts";
import type { Lot } from "./lot.ts";
import { nextReceipt, type Receipt } from "./receipt.ts";
import { isRejection, type Rejection } from "./rejection.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";
import { isTrial } from "./trial.ts";
import { type ChangedPolicies, changedPolicies } from "./changed-policies.ts";

/** The answer to an accepted command. */
export type Answer = {
  /** Undefined if the command had nothing to do. */
  readonly entry: Entry | undefined;
  /** The account after the command's own entry. */
  readonly account: Account;
  /** Whether it is the answer of an earlier request with the same id. */
  readonly replayed: boolean;
  /** Whether the command made the account. */
  readonly created: boolean;
};

/** Commands that are decided together, at one instant: the states before and after, and entries. */
export type Batch = {
  readonly now: Micros;
  readonly before: ReadonlyMap<string, AccountState>;
  readonly states: Map<string, AccountState>;
  /** The requests that were answered before, by `idempotencyKey`. */
  readonly repeats: Map<string, AnsweredRequest>;
  /** Salts for the accounts that the commands may make, by user id. */
  readonly salts: ReadonlyMap<string, Uint8Array>;
  /** The policies that new accounts get. */
  readonly firstPolicies: readonly FirstPolicy[];
  /** Users whose accounts the batch leaves as they are. */
  readonly onTrial: ReadonlySet<string>;
  readonly entries: Entry[];
  readonly receipts: Receipt[];
  /** Users for whom this batch has done all that it may: their commands wait for the next batch. */
  readonly waiting: Set<string>;
  /** The number of lots in which entries of many lots moved points, by user id. */
  readonly moved: Map<string, number>;
  /** The last entry that was booked as due, for users whose first command is still to come. */
  readonly lastDue: Map<string, Entry>;
};

type OfUser<T> = T & { readonly userId: string };

/** An account, and what its row has beside it. */
export type ChangedAccount = Account & {
  /** See `dueTimeOf`. */
  readonly dueTime: Micros | null;
  readonly openHolds: number;
  /** The number of lots with an open claim. */
  readonly openClaims: number;
  /** See `AccountState`. */
  readonly repaidUntil: Micros | null;
  /** The number of its policies, with the ended ones that still matter. */
  readonly policies: number;
};

/** Everything that a batch changed. */
export type Changes = {
  readonly newAccounts: readonly ChangedAccount[];
  /** Accounts that existed before and have new entries, in order of id. */
  readonly accounts: readonly ChangedAccount[];
  /** Accounts without new entries whose clock was too early: what was to fall due is gone. */
  readonly dueTimes: readonly OfUser<{ readonly dueTime: Micros | null }>[];
  /** Lots that were made or changed, each once. */
  readonly lots: readonly OfUser<Lot>[];
  /** Holds that were made or changed, each once. */
  readonly holds: readonly OfUser<Hold>[];
  /** What is undone so far of each entry of which the batch refunded, or of its lot revoked, some. */
  readonly undone: readonly OfUser<Undone>[];
  readonly policies: ChangedPolicies;
  readonly entries: readonly Entry[];
  /** Each account's receipts are in the order of their numbers. */
  readonly receipts: readonly Receipt[];
};

/** What is undone of an entry: its points that were refunded; or what was revoked of the lot it made. */
type Undone = Revocation & { readonly sequence: bigint; readonly refunded: bigint };

/**
 * The most that a batch books of what is due, over all its accounts: 1 a lot of an entry, and 1 for
 * an entry about no lots. It costs as much as a batch of 500 commands, so that callers wait no
 * longer for it: 30 to 40 ms for 500 holds, 20 ms for 500 lots (`npm run bench:due`).
 */
export const DUE_MAX = 500;

/**
 * The number of an account's lots in which a batch moves points; then the account's other commands
 * wait. Without it, an account could freeze and release thousands of lots in each command.
 */
const MOVED_MAX = 2_000;

/** An entry of no more lots than this is not counted. */
const FEW_LOTS = 16;

/** What a batch begins with. */
export type Start = {
  /** The accounts that exist. */
  readonly found: readonly AccountState[];
  /** The requests that were answered before, by `idempotencyKey`. */
  readonly repeats: ReadonlyMap<string, AnsweredRequest>;
  /** Random salts for users without an account, by user id. */
  readonly salts: ReadonlyMap<string, Uint8Array>;
  /** The policies that new accounts get; left out: none. */
  readonly firstPolicies?: readonly FirstPolicy[];
  /** Users whose accounts are not among `found`, though they exist: see `Batch.waiting`. */
  readonly waiting?: Iterable<string>;
  /** Users of whom the batch has trials alone: see `usersOnTrial`. */
  readonly onTrial: ReadonlySet<string>;
  /** See `usersVisited`. */
  readonly visited: ReadonlySet<string>;
};

/**
 * Starts a batch on the accounts that its commands name, and books what is due. The booking is kept
 * even if every command is refused; of users on trial only if it is not all that is due, since their
 * commands would wait for the rest of it for ever.
 */
export function startBatch(
  now: Micros,
  { found, repeats, salts, firstPolicies = [], waiting: others, onTrial, visited }: Start,
): Batch {
  found.forEach(assertSound);
  const before = new Map(found.map((state) => [state.account.userId, state]));
  const states = new Map(before);
  const entries: Entry[] = [];
  const waiting = new Set(others);
  const lastDue = new Map<string, Entry>();
  let room = DUE_MAX;
  for (const { state, mode } of fewestDueFirst(found, now, visited)) {
    const { userId } = state.account;
    const booked = bookDue(state, timeOf(state.account, now), { mode, maxSize: room });
    room -= booked.size;
    states.set(userId, booked.state);
    const last = booked.entries.at(-1);
    if (!booked.isAll) waiting.add(userId);
    else if (last !== undefined) lastDue.set(userId, last);
    if (booked.isAll && onTrial.has(userId)) before.set(userId, booked.state);
    else entries.push(...booked.entries);
  }
  const moved = new Map<string, number>();
  const given = { salts, firstPolicies, onTrial };
  const startedWith = { now, before, states, repeats: new Map(repeats), ...given };
  return { ...startedWith, entries, receipts: [], waiting, moved, lastDue };
}

/** The accounts with something due, fewest first: an account with little due never waits long. */
function fewestDueFirst(
  found: readonly AccountState[],
  now: Micros,
  visited: ReadonlySet<string>,
): readonly { readonly state: AccountState; readonly mode: Mode }[] {
  const counted = found.map((state) => {
    const mode: Mode = visited.has(state.account.userId) ? "visit" : "sweep";
    return { state, mode, due: countDue(state, timeOf(state.account, now), mode) };
  });
  return counted.filter(({ due }) => due > 0).toSorted((a, b) => a.due - b.due);
}

/**
 * Answers a repeat with its first answer, or applies the command. Commands of users in `waiting`
 * must not come here.
 */
export function answer(batch: Batch, command: Command): Answer | Rejection {
  const isKept = !isTrial(command);
  const lastDue = batch.lastDue.get(command.userId);
  if (isKept) batch.lastDue.delete(command.userId);
  const request = requestOf(command);
  const key = request === undefined ? undefined : idempotencyKey(command.userId, request.id);
  const first = key === undefined ? undefined : batch.repeats.get(key);
  if (request !== undefined && first !== undefined) {
    const repeat = answerRepeat(request, first);
    if (isRejection(repeat)) return repeat;
    return { entry: repeat.entry, account: repeat.account, replayed: true, created: false };
  }

  const found = batch.states.get(command.userId);
  const now = timeOf(found?.account, batch.now);
  const salt = batch.salts.get(command.userId);
  const { firstPolicies } = batch;
  // Others' commands were preceded by all of it as the batch started.
  const visit = isKept || found === undefined ? undefined : bookDue(found, now);
  const state = visit?.state ?? found;
  const at = { now, lastDue: visit?.entries.at(-1) ?? lastDue, salt, firstPolicies };
  const applied = apply(state, command, at);
  if (isRejection(applied)) return applied;

  const { entry } = applied;
  const account = accountAnswered(applied);
  const answered = { entry, account, replayed: false, created: state === undefined };
  for (const one of applied.entries) count(batch, command.userId, lotsOf(one, applied.state));
  if (!isKept) return answered;

  batch.states.set(command.userId, applied.state);
  batch.entries.push(...applied.entries);
  const isOwn = entry?.request?.id === request?.id;
  const kept = isOwn ? entry?.request : request && recorded(account.salt, request);
  if (kept !== undefined && key !== undefined) {
    batch.repeats.set(key, { request: kept, entry, account });
  }
  const madeOnlyAccount = state === undefined && applied.entries.length === 0;
  if (!isOwn || madeOnlyAccount) {
    const receipt = nextReceipt(applied.state.lastReceipt, kept, { entry, account });
    batch.receipts.push(receipt);
    batch.states.set(command.userId, { ...applied.state, lastReceipt: receipt });
  }
  return answered;
}

/** The number of lots in which an entry moved points; with those of the hold that it changed. */
function lotsOf({ kind, keptOpen, refersTo, allocations }: Entry, { holds }: AccountState): number {
  if (kind !== "extend" && !keptOpen) return allocations.length;
  const hold = holds.find(({ number }) => number === refersTo)!;
  return allocations.length + hold.allocations.length;
}

function count({ moved, waiting }: Batch, userId: string, lots: number): void {
  if (lots <= FEW_LOTS) return;
  const sum = (moved.get(userId) ?? 0) + lots;
  moved.set(userId, sum);
  if (sum >= MOVED_MAX) waiting.add(userId);
}

/** The account after the command's own entry, and so before anything booked after that entry. */
function accountAnswered({ entry, state: { account } }: Applied): Account {
  return entry === undefined ? account : accountAfter(entry, account);
}

/** Everything to save; undefined if nothing changed. */
export function changesOf(batch: Batch): Changes | undefined {
  const { before, states, entries, receipts } = batch;
  const changed = [...states.values()]
    .filter(({ account }) => before.get(account.userId)?.account !== account)
    .toSorted((a, b) => (a.account.userId < b.account.userId ? -1 : 1));
  changed.forEach(assertSound);
  const dueTimes = earlyClocks(batch);
  if (changed.length + receipts.length + dueTimes.length === 0) return undefined;

  const accounts = changed.map(toChangedAccount);
  return {
    newAccounts: accounts.filter(({ userId }) => !before.has(userId)),
    accounts: accounts.filter(({ userId }) => before.has(userId)),
    dueTimes,
    lots: changed.flatMap((state) => fresh(state, before, ({ lots }) => lots)),
    holds: changed.flatMap((state) => fresh(state, before, ({ holds }) => holds)),
    undone: changed.flatMap((state) => undoneOf(state, before.get(state.account.userId))),
    policies: changedPolicies(changed, before),
    entries,
    receipts,
  };
}

function toChangedAccount(state: AccountState): ChangedAccount {
  const openHolds = state.otherHolds + state.holds.filter(isOpenHold).length;
  const openClaims = state.otherClaims + countClaims(state.revoked);
  const { account, repaidUntil } = state;
  const policies = state.policies.length;
  return { ...account, dueTime: dueTimeOf(state), openHolds, openClaims, repaidUntil, policies };
}

function undoneOf(
  { account: { userId }, refunded, revoked }: AccountState,
  before: AccountState | undefined,
): readonly OfUser<Undone>[] {
  const ofEntries = [...refunded]
    .filter(([sequence, points]) => before?.refunded.get(sequence) !== points)
    .map(([sequence, points]) => ({
      refunded: points,
      revoked: 0n,
      claimed: 0n,
      sequence,
      userId,
    }));
  const ofLots = [...revoked]
    .filter(([lot, revocation]) => before?.revoked.get(lot) !== revocation)
    .map(([sequence, revocation]) => ({ ...revocation, refunded: 0n, sequence, userId }));
  return [...ofEntries, ...ofLots];
}

/** The accounts whose clock has come though nothing is due, and what it is to be. */
function earlyClocks({ before, now, states, onTrial }: Batch): Changes["dueTimes"] {
  return [...before.values()]
    .filter(({ account, dueTime }) => dueTime !== null && dueTime <= timeOf(account, now))
    .filter(({ account }) => states.get(account.userId)!.account === account)
    .filter(({ account }) => !onTrial.has(account.userId))
    .map((state) => ({
      userId: state.account.userId,
      dueTime: dueTimeOf(state),
      was: state.dueTime,
    }))
    .filter(({ dueTime, was }) => dueTime !== was)
    .map(({ userId, dueTime }) => ({ userId, dueTime }));
}

/** The items of a state that are new or changed: they are not the same objects as before. */
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
