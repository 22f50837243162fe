import { type Account, laterOf } from "../../ledger/account.ts";
import { DUE_MAX } from "../../ledger/batch.ts";
import { type Command, MAX_OPEN_HOLDS, mostTaken } from "../../ledger/command.ts";
import type { Hold } from "../../ledger/hold.ts";
import type { Allocation } from "../../ledger/lot.ts";
import { NO_RECEIPT } from "../../ledger/receipt.ts";
import { type AccountState, bareState } from "../../ledger/state.ts";
import type { Micros } from "../../ledger/time.ts";
import { setNow } from "../driver/clock.ts";
import type { Name } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import { countOpenHolds, loadHolds, sumDueHolds } from "./holds.ts";
import { type LotDemand, loadLots } from "./lots.ts";
import { loadLastReceipts } from "./receipts.ts";
import { loadRefundables, type Refundable } from "./refunds.ts";

type Accounts = ReadonlyMap<string, Account>;

/**
 * Loads all of these users' accounts that the commands may read or change, and of what is due as
 * much as a batch books, with one hold more, so that it shows if that is not all. To be sent behind
 * what locks the accounts and what reads the clock.
 *
 * @param locked the accounts that there are, by user id
 * @param now what the clock said
 */
export async function loadStates(
  run: Run,
  userIds: readonly string[],
  commands: readonly Command[],
  locked: Promise<Accounts>,
  now: Promise<Micros>,
): Promise<readonly AccountState[]> {
  const [states, read] = await Promise.all([loadDue(run, userIds, commands, locked), now]);
  const ahead = states.filter(({ account }) => account.updateTime > read);
  if (ahead.length === 0) return states;
  // The clock was set back. What is due by these accounts' own time was not due by the clock.
  const accounts = new Map(ahead.map(({ account }) => [account.userId, account]));
  await setNow(
    run,
    ahead.reduce((last, { account }) => laterOf(last, account.updateTime), read),
  );
  const ofAhead = commands.filter(({ userId }) => accounts.has(userId));
  const again = await loadDue(run, [...accounts.keys()], ofAhead, Promise.resolve(accounts));
  return [...states.filter(({ account }) => !accounts.has(account.userId)), ...again];
}

async function loadDue(
  run: Run,
  userIds: readonly string[],
  commands: readonly Command[],
  locked: Promise<Accounts>,
): Promise<readonly AccountState[]> {
  const holdsSent = loadHolds(run, userIds, names(commands, closedHold), DUE_MAX + 1);
  const openHoldsSent = countOpenHolds(run, freezers(commands), MAX_OPEN_HOLDS);
  const refundablesSent = loadRefundables(run, names(commands, refundedEntry));
  const receiptsSent = loadLastReceipts(run, receivers(commands));
  const named = Promise.all([holdsSent, refundablesSent]).then(([holds, refundables]) => [
    ...names(commands, expiredLot),
    ...lotsOfHolds(holds),
    ...refundables.flatMap(({ entry }) => lotNames(entry.userId, [entry])),
  ]);
  const [accounts, holds, openHolds, refundables, receipts, lots] = await Promise.all([
    locked,
    holdsSent,
    openHoldsSent,
    refundablesSent,
    receiptsSent,
    loadLots(run, demandsOf(userIds, commands), named),
  ]);
  const byUser = Map.groupBy(refundables, ({ entry }) => entry.userId);

  return [...accounts.values()].map((account) => {
    const { userId } = account;
    const ofUser = holds.get(userId) ?? [];
    const open = openHolds.get(userId);
    return {
      ...bareState(account),
      ...lots.get(userId),
      holds: ofUser,
      otherHolds: open === undefined ? 0 : open - ofUser.filter(isOpen).length,
      ...refundablesOf(byUser.get(userId)),
      lastReceipt: receipts.get(userId) ?? NO_RECEIPT,
    };
  });
}

/**
 * Accounts for who only reads them: what is due by now is in them, holds as one that stands for all.
 *
 * @param accounts by user id
 */
export async function loadStatesToRead(
  run: Run,
  accounts: Accounts,
): Promise<readonly AccountState[]> {
  const userIds = [...accounts.keys()];
  const holdsSent = sumDueHolds(run, userIds);
  const [holds, lots] = await Promise.all([
    holdsSent,
    loadLots(run, demandsOf(userIds, []), holdsSent.then(lotsOfHolds)),
  ]);
  return [...accounts.values()].map((account) => {
    const { userId } = account;
    return { ...bareState(account), ...lots.get(userId), holds: holds.get(userId) ?? [] };
  });
}

function isOpen({ status }: Hold): boolean {
  return status === "open";
}

function freezers(commands: readonly Command[]): readonly string[] {
  const freezes = commands.filter(({ kind }) => kind === "freeze");
  return [...new Set(freezes.map(({ userId }) => userId))];
}

/** Whose commands may succeed without an entry of their own: those that found nothing to expire. */
function receivers(commands: readonly Command[]): readonly string[] {
  const expires = commands.filter((one) => one.kind === "expire" && one.request !== undefined);
  return [...new Set(expires.map(({ userId }) => userId))];
}

function lotsOfHolds(holds: ReadonlyMap<string, readonly Hold[]>): readonly Name[] {
  return [...holds].flatMap(([userId, ofUser]) => lotNames(userId, ofUser));
}

function refundablesOf(ofUser: readonly Refundable[] | undefined) {
  if (ofUser === undefined) return undefined;
  const partly = ofUser.filter(({ refunded }) => refunded > 0n);
  return {
    entries: new Map(ofUser.map(({ entry }) => [entry.sequence, entry])),
    refunded: new Map(partly.map(({ entry, refunded }) => [entry.sequence, refunded])),
  };
}

/** How much the commands take at the most, of each user. */
function demandsOf(userIds: readonly string[], commands: readonly Command[]): readonly LotDemand[] {
  const points = new Map(userIds.map((userId) => [userId, 0n]));
  for (const command of commands) {
    points.set(command.userId, points.get(command.userId)! + mostTaken(command));
  }
  return userIds.map((userId) => ({ userId, points: points.get(userId)! }));
}

/** The lots that a user's holds or entries took points from. */
function lotNames(
  userId: string,
  from: readonly { readonly allocations: readonly Allocation[] }[],
): readonly Name[] {
  return from.flatMap(({ allocations }) =>
    allocations.map(({ lot: number }) => ({ userId, number })),
  );
}

function expiredLot(command: Command): bigint | undefined {
  if (command.kind !== "expire" || command.target.kind !== "lot") return undefined;
  return command.target.lot;
}

function closedHold(command: Command): bigint | undefined {
  return command.kind === "settle" || command.kind === "release" ? command.hold : undefined;
}

function refundedEntry(command: Command): bigint | undefined {
  return command.kind === "refund" ? command.sequence : undefined;
}

/** What the commands name, of those that name something. */
function names(
  commands: readonly Command[],
  numberIn: (command: Command) => bigint | undefined,
): readonly Name[] {
  return commands.flatMap((command) => {
    const number = numberIn(command);
    return number === undefined ? [] : [{ userId: command.userId, number }];
  });
}
