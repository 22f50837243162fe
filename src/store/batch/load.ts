import { type Account, laterOf } from "../../ledger/account.ts";
import { DUE_MAX } from "../../ledger/batch.ts";
import type { Command } from "../../ledger/command.ts";
import { compareHoldsByExpiry, type Hold, isOpenHold } from "../../ledger/hold.ts";
import { type Allocation, compareBurnOrder, type Lot } from "../../ledger/lot.ts";
import { needsOf } from "../../ledger/needs.ts";
import { NO_RECEIPT, type ReceiptLink } from "../../ledger/receipt.ts";
import { type AccountState, bareState } from "../../ledger/state.ts";
import type { Micros } from "../../ledger/time.ts";
import { type Moment, setNow } from "../driver/clock.ts";
import type { RowKey } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import type { LockedAccounts } from "./accounts.ts";
import { type HoldOf, loadDueHolds, loadNamedHolds, sumDueHolds } from "./holds.ts";
import { loadLots } from "./lots.ts";
import { loadNextDue } from "./next-due.ts";
import { loadLastReceipts } from "./receipts.ts";
import { loadRefundables, type Refundable } from "./refunds.ts";
import type { LoadedLots, Rows } from "./rows.ts";

/** The states that a batch decides on, and the rows that hold them. */
export type Loaded = { readonly states: readonly AccountState[]; readonly rows: Rows };

/** A batch's commands, and the replies to the statements sent before those that load. */
type Asked = {
  /** The users of the commands, each once. */
  readonly userIds: readonly string[];
  readonly commands: readonly Command[];
  readonly locked: Promise<LockedAccounts>;
  /** What the clock said. */
  readonly moment: Promise<Moment>;
};

/**
 * Loads the part of the accounts that the commands may read or change, and as much of what is due
 * as a batch books, with one hold more, which shows that there is more. Send it after the
 * statements that lock the accounts and read the clock.
 *
 * What a command names is asked for at once. The rest depends on the accounts' rows and on the
 * time, and is asked for only if these say that there is something: see `loadLots`, `loadDue`.
 */
export async function loadStates(
  run: Run,
  { userIds, commands, locked, moment }: Asked,
): Promise<Loaded> {
  const needs = sumNeeds(userIds, commands);
  const [{ accounts, rows }, { now: read }, holds, refundables, receipts] = await Promise.all([
    locked,
    moment,
    loadNamedHolds(run, needs.holds),
    loadRefundables(run, needs.entries),
    loadLastReceipts(run, [...needs.lastReceipts]),
  ]);
  const asked = { needs, rows, holds, refundables, receipts };
  const [ahead, usual] = partition([...accounts.values()], (one) => one.updateTime > read);
  const loaded = await loadRest(run, { ...asked, accounts: usual, now: read });
  if (ahead.length === 0) return loaded;
  // The clock was set back. More is due by these accounts' own time than by the clock.
  const last = ahead.reduce((time, account) => laterOf(time, account.updateTime), read);
  await setNow(run, last);
  const others = await loadRest(run, { ...asked, accounts: ahead, now: last });
  return {
    states: [...loaded.states, ...others.states],
    rows: { accounts: rows, lots: new Map([...loaded.rows.lots, ...others.rows.lots]) },
  };
}

/** Accounts, and what was found of those and of others. */
type Found = {
  readonly accounts: readonly Account[];
  readonly now: Micros;
  readonly needs: ReturnType<typeof sumNeeds>;
  readonly rows: LockedAccounts["rows"];
  readonly holds: readonly HoldOf[];
  readonly refundables: readonly Refundable[];
  readonly receipts: ReadonlyMap<string, ReceiptLink>;
};

async function loadRest(run: Run, found: Found): Promise<Loaded> {
  const { accounts, now, needs, refundables, receipts } = found;
  const places = new Map(accounts.map(({ userId }) => [userId, found.rows.get(userId)!]));
  const dueSent = loadDue(run, places, now);
  const holdsSent = dueSent.then((due) => groupHolds([...due.holds, ...found.holds]));
  const named = holdsSent.then((holds) =>
    [
      ...needs.lots,
      ...lotsOfHolds(holds),
      ...refundables.flatMap(({ entry }) => lotsOf(entry.userId, [entry])),
    ].filter(({ userId }) => places.has(userId)),
  );
  const [{ nextDue }, holds, { lots, closed }] = await Promise.all([
    dueSent,
    holdsSent,
    loadLots(run, places, { points: needs.points, named, now }),
  ]);
  const byUser = Map.groupBy(refundables, ({ entry }) => entry.userId);
  const states = accounts.map((account) => {
    const { userId } = account;
    const { dueTime, openHolds } = places.get(userId)!;
    const ofUser = holds.get(userId) ?? [];
    return {
      ...bareState(account),
      ...lotsOfState(lots.get(userId)!, closed.get(userId)),
      holds: ofUser,
      otherHolds: openHolds - ofUser.filter(isOpenHold).length,
      dueTime,
      otherDueTime: nextDue.has(userId) ? nextDue.get(userId)! : dueTime,
      ...refundablesOf(byUser.get(userId)),
      lastReceipt: receipts.get(userId) ?? NO_RECEIPT,
    };
  });
  return { states, rows: { accounts: found.rows, lots } };
}

function lotsOfState(
  { row, table, beyond }: LoadedLots,
  closed: readonly Lot[] = [],
): Pick<AccountState, "lots" | "otherLots"> {
  const others = table.length + closed.length;
  const lots = others === 0 ? row : [...row, ...table, ...closed].toSorted(compareBurnOrder);
  return { lots, otherLots: beyond };
}

function partition<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))];
}

/**
 * Loads the due holds of the accounts whose clock has come, and when something falls due next. Most
 * batches have no such account, and this costs them nothing.
 */
async function loadDue(run: Run, rows: LockedAccounts["rows"], now: Micros) {
  const come = [...rows].filter(([, { dueTime }]) => dueTime !== null && dueTime <= now);
  const userIds = come.map(([userId]) => userId);
  const [holds, next] = await Promise.all([
    loadDueHolds(run, userIds, DUE_MAX + 1),
    loadNextDue(run, userIds),
  ]);
  const nextDue = new Map(userIds.map((userId) => [userId, next.get(userId) ?? null]));
  // Of more due holds than are loaded, none ends before the last that is.
  for (const [userId, ofUser] of Map.groupBy(holds, (one) => one.userId)) {
    if (ofUser.length <= DUE_MAX) continue;
    const { expireTime } = ofUser
      .map(({ hold }) => hold)
      .toSorted(compareHoldsByExpiry)
      .at(-1)!;
    nextDue.set(userId, expireTime);
  }
  return { holds, nextDue };
}

/** Holds by user id, each once. */
function groupHolds(holds: readonly HoldOf[]): Map<string, readonly Hold[]> {
  const byUser = new Map<string, Map<bigint, Hold>>();
  for (const { userId, hold } of holds) {
    const ofUser = byUser.get(userId);
    if (ofUser === undefined) byUser.set(userId, new Map([[hold.number, hold]]));
    else ofUser.set(hold.number, hold);
  }
  return new Map([...byUser].map(([userId, ofUser]) => [userId, [...ofUser.values()]]));
}

/**
 * Loads accounts that are only read. Everything that is due by `now` is in them, with one hold that
 * stands for all due holds of an account. `NOW` must be `now`.
 */
export async function loadStatesToRead(
  run: Run,
  { accounts, rows }: LockedAccounts,
  now: Micros,
): Promise<readonly AccountState[]> {
  const holdsSent = sumDueHolds(run, [...accounts.keys()]);
  const named = holdsSent.then(lotsOfHolds);
  const [holds, { lots }] = await Promise.all([
    holdsSent,
    loadLots(run, rows, { points: new Map(), named, now }),
  ]);
  return [...accounts.values()].map((account) => ({
    ...bareState(account),
    ...lotsOfState(lots.get(account.userId)!),
    holds: holds.get(account.userId) ?? [],
  }));
}

/** The needs of all commands together: points by user id, and the names and users of the rest. */
function sumNeeds(userIds: readonly string[], commands: readonly Command[]) {
  const points = new Map(userIds.map((userId) => [userId, 0n]));
  const lots: RowKey[] = [];
  const holds: RowKey[] = [];
  const entries: RowKey[] = [];
  const lastReceipts = new Set<string>();
  for (const command of commands) {
    const { userId } = command;
    const needs = needsOf(command);
    points.set(userId, points.get(userId)! + needs.points);
    if (needs.lot !== undefined) lots.push({ userId, number: needs.lot });
    if (needs.hold !== undefined) holds.push({ userId, number: needs.hold });
    if (needs.entry !== undefined) entries.push({ userId, number: needs.entry });
    if (needs.lastReceipt) lastReceipts.add(userId);
  }
  return { points, lots, holds, entries, lastReceipts };
}

/** The lots that have points of open holds. */
function lotsOfHolds(holds: ReadonlyMap<string, readonly Hold[]>): readonly RowKey[] {
  return [...holds].flatMap(([userId, ofUser]) => lotsOf(userId, ofUser.filter(isOpenHold)));
}

/** The lots that a user's holds or entries took points from. */
function lotsOf(
  userId: string,
  takers: readonly { readonly allocations: readonly Allocation[] }[],
): readonly RowKey[] {
  return takers.flatMap(({ allocations }) =>
    allocations.map(({ lot: number }) => ({ userId, number })),
  );
}

function refundablesOf(ofUser: readonly Refundable[] | undefined) {
  if (ofUser === undefined) return undefined;
  const partly = ofUser.filter(({ refunded }) => refunded > 0n);
  return {
    entries: new Map(ofUser.map(({ entry }) => [entry.sequence, entry])),
    refunded: new Map(partly.map(({ entry, refunded }) => [entry.sequence, refunded])),
  };
}
