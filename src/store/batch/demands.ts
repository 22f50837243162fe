import { timeOf } from "../../ledger/account.ts";
import { isDue, sumLots } from "../../ledger/lot.ts";
import { type Ask, demandOf } from "../../ledger/needs.ts";
import type { Micros } from "../../ledger/time.ts";
import type { RowKey } from "../driver/columns.ts";
import type { LockedAccounts } from "./accounts.ts";
import type { Demand } from "./lots.ts";

/** What a batch may do to the lots of its accounts in burn order. */
type Asked = {
  /** The points that each command asks for, by user id. */
  readonly points: ReadonlyMap<string, readonly Ask[]>;
  /** The points that the batch may add to an account, by user id; missing: none. */
  readonly brought: ReadonlyMap<string, bigint>;
  /** Lots that commands expire: they supply nothing. */
  readonly expired: readonly RowKey[];
  readonly now: Micros;
};

/** The demands of the accounts of which the batch may take more points than their rows' lots have. */
export function demandsOf(
  { accounts, rows }: LockedAccounts,
  { points, brought, expired, now }: Asked,
): readonly Demand[] {
  const demands: Demand[] = [];
  const expiredOf = Map.groupBy(expired, ({ userId }) => userId);
  for (const [userId, { lots, beyond }] of rows) {
    if (beyond.remaining === 0n) continue;
    const account = accounts.get(userId)!;
    const time = timeOf(account, now);
    const gone = new Set(expiredOf.get(userId)?.map(({ number }) => number));
    const supply = lots.filter((lot) => !isDue(lot, time) && !gone.has(lot.number));
    // Holds may be given back.
    const most = account.balance + account.frozen + (brought.get(userId) ?? 0n);
    const lacking = demandOf(points.get(userId) ?? [], most) - sumLots(supply).remaining;
    if (lacking > 0n) demands.push({ userId, points: lacking, time });
  }
  return demands;
}
