import { DUE_MAX } from "../../ledger/batch.ts";
import { compareDueLots } from "../../ledger/due.ts";
import type { Micros } from "../../ledger/time.ts";
import type { Run } from "../driver/transaction.ts";
import type { DueAccount } from "./due-accounts.ts";
import { type HoldOf, loadDueHolds } from "./holds.ts";
import type { FoundLot } from "./found-lots.ts";
import { loadDueLots, loadQuietLots } from "./lots.ts";
import { loadNextDue } from "./next-due.ts";
import type { AccountPlace, Rows } from "./rows.ts";

// A batch books DUE_MAX things at most. One more shows that there are more.
const LOADED_MAX = DUE_MAX + 1;

type Asked = {
  readonly dueAccounts: readonly DueAccount[];
  /** See `quietAccountsOf`. */
  readonly quietAccounts: readonly DueAccount[];
};

/** What is due of accounts beside their rows, as far as a batch may book it. */
export type Due = {
  readonly holds: readonly HoldOf[];
  readonly lots: readonly FoundLot[];
  /** See `AccountState.otherDueTime`, by user id; missing: the account's clock has not come. */
  readonly nextDue: ReadonlyMap<string, Micros | null>;
  /** See `AccountState.lastDueLot`, by user id. */
  readonly lastLots: ReadonlyMap<string, bigint>;
};

/**
 * Loads what is due of accounts whose clock has come, and when something falls due next; and of the
 * others among the quiet ones the lots that nothing waits for.
 */
export async function loadDue(
  run: Run,
  { dueAccounts, quietAccounts }: Asked,
  places: Rows["accounts"],
): Promise<Due> {
  const [holds, lots, quiet, next] = await Promise.all([
    loadDueHolds(run, dueAccounts, LOADED_MAX),
    loadDueLots(run, dueAccounts, LOADED_MAX),
    loadQuietLots(run, quietAccounts),
    loadNextDue(run, dueAccounts),
  ]);
  const holdsOf = Map.groupBy(holds, ({ userId }) => userId);
  const lotsOf = Map.groupBy(lots, ({ userId }) => userId);
  const nextDue = new Map<string, Micros | null>();
  const lastLots = new Map<string, bigint>();
  for (const { account } of dueAccounts) {
    const { userId } = account;
    const dueLots = (lotsOf.get(userId) ?? []).map(({ lot }) => lot);
    const moreLots = dueLots.length >= LOADED_MAX;
    if (moreLots) lastLots.set(userId, dueLots.toSorted(compareDueLots(account)).at(-1)!.number);
    const isMore = moreLots || (holdsOf.get(userId)?.length ?? 0) >= LOADED_MAX;
    // While some of what is due is left out, the account's clock is right as it is.
    nextDue.set(userId, isMore ? places.get(userId)!.dueTime : (next.get(userId) ?? null));
  }
  return { holds, lots: [...lots, ...quiet], nextDue, lastLots };
}

/**
 * The rows that a batch looks through to find what is due of an account: all its lots of the table,
 * since they have no index by expiry, and its due holds.
 */
export function dueRowsOf({ beyond, openHolds }: AccountPlace): number {
  return beyond.count + Math.min(openHolds, LOADED_MAX);
}
