import type { Account } from "../ledger/account.ts";
import type { AccountState } from "../ledger/state.ts";
import type { Command } from "../ledger/command.ts";
import type { Micros } from "../ledger/time.ts";
import { loadHolds } from "./holds.ts";
import { loadLots, type Name } from "./lots.ts";
import type { EntityManager } from "./orm.ts";
import { loadRefundables } from "./refunds.ts";

/**
 * Loads all of the locked accounts that these commands may read or change.
 *
 * @param accounts by user id
 */
export async function loadStates(
  em: EntityManager,
  accounts: ReadonlyMap<string, Account>,
  commands: readonly Command[],
  now: Micros,
): Promise<readonly AccountState[]> {
  const userIds = [...accounts.keys()];
  const refundables = await loadRefundables(em, names(commands, refundedEntry));
  const refundedLots = refundables.flatMap(({ entry: { userId, allocations } }) =>
    allocations.map(({ lot: number }) => ({ userId, number })),
  );
  const lots = await loadLots(em, userIds, [...names(commands, expiredLot), ...refundedLots]);
  const holds = await loadHolds(em, userIds, names(commands, closedHold), now);
  const byUser = Map.groupBy(refundables, ({ entry }) => entry.userId);

  return [...accounts.values()].map((account) => {
    const ofUser = byUser.get(account.userId) ?? [];
    const partly = ofUser.filter(({ refunded }) => refunded > 0n);
    return {
      account,
      lots: lots.get(account.userId) ?? [],
      holds: holds.get(account.userId) ?? [],
      entries: new Map(ofUser.map(({ entry }) => [entry.sequence, entry])),
      recent: undefined,
      refunded: new Map(partly.map(({ entry, refunded }) => [entry.sequence, refunded])),
    };
  });
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
