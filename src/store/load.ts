import type { Account } from "../ledger/account.ts";
import { type AccountState, bareState } from "../ledger/state.ts";
import { type Command, mostTaken } from "../ledger/command.ts";
import type { Allocation } from "../ledger/lot.ts";
import type { Name } from "./columns.ts";
import { loadHolds } from "./holds.ts";
import { type LotDemand, loadLots } from "./lots.ts";
import type { Run } from "./transaction.ts";
import { loadRefundables, type Refundable } from "./refunds.ts";

/**
 * Loads all of these users' accounts that the commands may read or change, or that is due. To be
 * sent behind what locks the accounts and what reads the clock.
 *
 * @param locked the accounts that there are, by user id
 */
export async function loadStates(
  run: Run,
  userIds: readonly string[],
  commands: readonly Command[],
  locked: Promise<ReadonlyMap<string, Account>>,
): Promise<readonly AccountState[]> {
  const holdsSent = loadHolds(run, userIds, names(commands, closedHold));
  const refundablesSent = loadRefundables(run, names(commands, refundedEntry));
  const named = Promise.all([holdsSent, refundablesSent]).then(([holds, refundables]) => [
    ...names(commands, expiredLot),
    ...[...holds].flatMap(([userId, ofUser]) => lotNames(userId, ofUser)),
    ...refundables.flatMap(({ entry }) => lotNames(entry.userId, [entry])),
  ]);
  const [accounts, holds, refundables, lots] = await Promise.all([
    locked,
    holdsSent,
    refundablesSent,
    loadLots(run, demandsOf(userIds, commands), named),
  ]);
  const byUser = Map.groupBy(refundables, ({ entry }) => entry.userId);

  return [...accounts.values()].map((account) => {
    const { userId } = account;
    const bare = bareState(account);
    return {
      ...bare,
      ...lots.get(userId),
      holds: holds.get(userId) ?? bare.holds,
      ...refundablesOf(byUser.get(userId)),
    };
  });
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
