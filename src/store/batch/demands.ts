import { MAX_TOTAL, timeOf } from "../../ledger/account.ts";
import { isDue } from "../../ledger/lot.ts";
import { type Ask, lackOf } from "../../ledger/needs.ts";
import type { Micros } from "../../ledger/time.ts";
import type { RowKey } from "../driver/columns.ts";
import type { LockedAccounts } from "./accounts.ts";

/** What a batch may do to the lots of its accounts in burn order. */
type Asked = {
  /** What each command asks for, by user id. */
  readonly asked: ReadonlyMap<string, readonly Ask[]>;
  /** The points that the batch may add to an account, by user id; missing: none. */
  readonly brought: ReadonlyMap<string, bigint>;
  /** Lots that commands expire: they supply nothing. */
  readonly expired: readonly RowKey[];
  readonly now: Micros;
};

/** What a batch wants of an account's lots in the table. */
export type Demand = {
  readonly userId: string;
  /** The points that the lots of the row lack which are not due by the account's time; 0: none. */
  readonly points: bigint;
  readonly time: Micros;
  /**
   * For which services points are asked for, if the table has lots that only some services may take;
   * null: for anything, and so all of these lots are wanted that cover the points.
   */
  readonly services: readonly (string | null)[];
};

/**
 * The most services of an account for which lots are looked for by name. A batch with more gets all
 * the account's lots that only some services may take.
 */
const SERVICES_MAX = 16;

/** The demands of the accounts of which the batch may take more points than their rows' lots have. */
export function demandsOf(
  { accounts, rows }: LockedAccounts,
  { asked, brought, expired, now }: Asked,
): readonly Demand[] {
  const demands: Demand[] = [];
  const expiredOf = Map.groupBy(expired, ({ userId }) => userId);
  for (const [userId, { lots, beyond, policies }] of rows) {
    if (beyond.remaining === 0n) continue;
    const account = accounts.get(userId)!;
    const time = timeOf(account, now);
    const gone = new Set(expiredOf.get(userId)?.map(({ number }) => number));
    const atHand = lots.filter((lot) => !isDue(lot, time) && !gone.has(lot.number));
    // Holds may be given back, and allowances may bring any number.
    const more = policies === 0 ? (brought.get(userId) ?? 0n) : MAX_TOTAL;
    const atMost = account.balance + account.frozen + more;
    const ofUser = asked.get(userId) ?? [];
    const { points, isTooMuch } = lackOf(ofUser, { atHand, atMost, beyond: beyond.scoped });
    const services = beyond.scoped === 0n ? [] : servicesOf(ofUser);
    if (points > 0n || (isTooMuch && services.length > 0)) {
      demands.push(all(services, { userId, points, time, services }, beyond.remaining));
    }
  }
  return demands;
}

/** Demands of no points, which tell what a service may take of the lots in the table. */
export function looksOf(
  { accounts, rows }: LockedAccounts,
  service: string,
  now: Micros,
): readonly Demand[] {
  return [...rows]
    .filter(([, { beyond }]) => beyond.scoped > 0n)
    .map(([userId]) => {
      const time = timeOf(accounts.get(userId), now);
      return { userId, points: 0n, time, services: [service] };
    });
}

function servicesOf(asked: readonly Ask[]): readonly (string | null)[] {
  const services = new Set<string | null>();
  for (const { service, points } of asked) {
    if (service === undefined && points > 0n) services.add(null);
    else if (service !== undefined && service !== null) services.add(service);
  }
  return [...services];
}

function all(services: Demand["services"], demand: Demand, most: bigint): Demand {
  return services.length <= SERVICES_MAX ? demand : { ...demand, services: [null], points: most };
}
