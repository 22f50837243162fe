import { laterOf } from "../../ledger/account.ts";
import { DUE_MAX } from "../../ledger/batch.ts";
import type { Command } from "../../ledger/command.ts";
import { type Hold, isOpenHold, MAX_OPEN_HOLDS } from "../../ledger/hold.ts";
import type { Allocation } from "../../ledger/lot.ts";
import { needsOf } from "../../ledger/needs.ts";
import { NO_RECEIPT } from "../../ledger/receipt.ts";
import { type AccountState, bareState } from "../../ledger/state.ts";
import type { Micros } from "../../ledger/time.ts";
import { setNow } from "../driver/clock.ts";
import type { RowKey } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import type { Accounts, LockedAccounts } from "./accounts.ts";
import { countOpenHolds, loadHolds, sumDueHolds } from "./holds.ts";
import { loadLots } from "./lots.ts";
import { loadLastReceipts } from "./receipts.ts";
import { loadRefundables, type Refundable } from "./refunds.ts";
import type { Rows } from "./rows.ts";

/** The states that a batch decides on, and the rows that hold them. */
export type Loaded = { readonly states: readonly AccountState[]; readonly rows: Rows };

/** A batch's commands, and the replies to the statements sent before those that load. */
type Asked = {
  /** The users of the commands, each once. */
  readonly userIds: readonly string[];
  readonly commands: readonly Command[];
  readonly locked: Promise<LockedAccounts>;
  /** The time that the clock said. */
  readonly now: Promise<Micros>;
};

/**
 * Loads the part of the accounts that the commands may read or change, and as much of what is due
 * as a batch books, with one hold more, which shows that there is more. Send it after the
 * statements that lock the accounts and read the clock.
 */
export async function loadStates(run: Run, { now, ...asked }: Asked): Promise<Loaded> {
  const [loaded, read] = await Promise.all([loadDue(run, asked), now]);
  const ahead = loaded.states.filter(({ account }) => account.updateTime > read);
  if (ahead.length === 0) return loaded;
  // The clock was set back. More is due by these accounts' own time than was due by the clock.
  const last = ahead.reduce((time, { account }) => laterOf(time, account.updateTime), read);
  await setNow(run, last);
  const accounts = new Map(ahead.map(({ account }) => [account.userId, account]));
  const again = await loadDue(run, {
    userIds: [...accounts.keys()],
    commands: asked.commands.filter(({ userId }) => accounts.has(userId)),
    locked: Promise.resolve({ accounts, rows: loaded.rows.accounts }),
  });
  const others = loaded.states.filter(({ account }) => !accounts.has(account.userId));
  return {
    states: [...others, ...again.states],
    rows: { ...loaded.rows, lots: new Map([...loaded.rows.lots, ...again.rows.lots]) },
  };
}

async function loadDue(
  run: Run,
  { userIds, commands, locked }: Omit<Asked, "now">,
): Promise<Loaded> {
  const needs = sumNeeds(userIds, commands);
  const holdsSent = loadHolds(run, { userIds, named: needs.holds, dueMax: DUE_MAX + 1 });
  const openHoldsSent = countOpenHolds(run, [...needs.openHolds], MAX_OPEN_HOLDS);
  const refundablesSent = loadRefundables(run, needs.entries);
  const receiptsSent = loadLastReceipts(run, [...needs.lastReceipts]);
  const named = Promise.all([holdsSent, refundablesSent]).then(([holds, refundables]) => [
    ...needs.lots,
    ...lotsOfHolds(holds),
    ...refundables.flatMap(({ entry }) => lotsOf(entry.userId, [entry])),
  ]);
  const [{ accounts, rows }, holds, openHolds, refundables, receipts, lots] = await Promise.all([
    locked,
    holdsSent,
    openHoldsSent,
    refundablesSent,
    receiptsSent,
    loadLots(run, needs.points, named),
  ]);
  const byUser = Map.groupBy(refundables, ({ entry }) => entry.userId);

  const states = [...accounts.values()].map((account) => {
    const { userId } = account;
    const ofUser = holds.get(userId) ?? [];
    const open = openHolds.get(userId);
    return {
      ...bareState(account),
      ...lots.byUser.get(userId),
      holds: ofUser,
      otherHolds: open === undefined ? 0 : open - ofUser.filter(isOpenHold).length,
      ...refundablesOf(byUser.get(userId)),
      lastReceipt: receipts.get(userId) ?? NO_RECEIPT,
    };
  });
  return { states, rows: { accounts: rows, lots: lots.rows } };
}

/**
 * Loads accounts that are only read. Everything that is due by now is in them, with one hold that
 * stands for all due holds of an account.
 */
export async function loadStatesToRead(
  run: Run,
  accounts: Accounts,
): Promise<readonly AccountState[]> {
  const userIds = [...accounts.keys()];
  const holdsSent = sumDueHolds(run, userIds);
  const nothing = new Map(userIds.map((userId) => [userId, 0n]));
  const [holds, lots] = await Promise.all([
    holdsSent,
    loadLots(run, nothing, holdsSent.then(lotsOfHolds)),
  ]);
  return [...accounts.values()].map((account) => {
    const { userId } = account;
    return { ...bareState(account), ...lots.byUser.get(userId), holds: holds.get(userId) ?? [] };
  });
}

/** The needs of all commands together: points by user id, and the names and users of the rest. */
function sumNeeds(userIds: readonly string[], commands: readonly Command[]) {
  const points = new Map(userIds.map((userId) => [userId, 0n]));
  const lots: RowKey[] = [];
  const holds: RowKey[] = [];
  const entries: RowKey[] = [];
  const openHolds = new Set<string>();
  const lastReceipts = new Set<string>();
  for (const command of commands) {
    const { userId } = command;
    const needs = needsOf(command);
    points.set(userId, points.get(userId)! + needs.points);
    if (needs.lot !== undefined) lots.push({ userId, number: needs.lot });
    if (needs.hold !== undefined) holds.push({ userId, number: needs.hold });
    if (needs.entry !== undefined) entries.push({ userId, number: needs.entry });
    if (needs.openHolds) openHolds.add(userId);
    if (needs.lastReceipt) lastReceipts.add(userId);
  }
  return { points, lots, holds, entries, openHolds, lastReceipts };
}

function lotsOfHolds(holds: ReadonlyMap<string, readonly Hold[]>): readonly RowKey[] {
  return [...holds].flatMap(([userId, ofUser]) => lotsOf(userId, ofUser));
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
