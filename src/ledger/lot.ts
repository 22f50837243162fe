import { min } from "./account.ts";
import type { Micros } from "./time.ts";

/** The most open lots that an account may have. */
export const MAX_OPEN_LOTS = 4_096;

/** Points that were recharged together and expire together. */
export type Lot = {
  /** The sequence of the entry that made it, a recharge or a refund: its name. */
  readonly number: bigint;
  /** The points that were recharged. */
  readonly points: bigint;
  /** The points that can be spent. */
  readonly remaining: bigint;
  /** The points that holds have set aside. */
  readonly frozen: bigint;
  /** 0 to 1000; lower burns first. */
  readonly priority: number;
  /** From this instant on it cannot be spent; null: never. */
  readonly expireTime: Micros | null;
  /** What kind of points it has, in the caller's words; empty: not said. */
  readonly category: string;
  /** Only usage of these services may take its points; empty: anything may. */
  readonly services: readonly string[];
};

/**
 * What points are taken for: a use of this service; null: something without a service's name;
 * undefined: an expiry, or a revocation of points, which takes of any lot.
 */
export type Service = string | null | undefined;

/** The points that an entry took from a lot, or gave to it: more than 0. */
export type Allocation = { readonly lot: bigint; readonly points: bigint };

/** A lot of which nothing is spent or set aside yet. */
export function newLot(lot: Omit<Lot, "remaining" | "frozen">): Lot {
  return { ...lot, remaining: lot.points, frozen: 0n };
}

/** Whether points of the lot may be taken for this. */
export function admits({ services }: Lot, service: Service): boolean {
  if (services.length === 0 || service === undefined) return true;
  return service !== null && services.includes(service);
}

/**
 * The services that may take points that belonged to these lots: those that every one of the lots
 * admits; empty: anything may; undefined: none may. What was spent was for one service, or came from
 * lots without services alone; but what was revoked may come from lots for any services.
 */
export function commonServices(lots: readonly Lot[]): readonly string[] | undefined {
  const [first, ...others] = lots.filter(isScoped);
  if (first === undefined) return NO_SERVICES;
  const common = first.services.filter((service) => others.every((lot) => admits(lot, service)));
  return common.length === 0 ? undefined : common;
}

/** Whether only usage of some services may take the lot. */
export function isScoped({ services }: Pick<Lot, "services">): boolean {
  return services.length > 0;
}

/** Of a lot that anything may take. */
export const NO_SERVICES: readonly string[] = [];

/**
 * Burn order: by priority, then lots that only some services may take before others, then the
 * earliest expiry (never is last), then the oldest.
 */
export function compareBurnOrder(a: LotPlace, b: LotPlace): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (isScoped(a) !== isScoped(b)) return isScoped(a) ? -1 : 1;
  if (a.expireTime !== b.expireTime) {
    if (a.expireTime === null) return 1;
    if (b.expireTime === null) return -1;
    return a.expireTime < b.expireTime ? -1 : 1;
  }
  return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
}

/** What gives a lot its place in burn order. */
export type LotPlace = Pick<Lot, "number" | "priority" | "expireTime" | "services">;

/** Whether the lot has expired: exactly from `expireTime` on. */
export function isDue(lot: Lot, now: Micros): boolean {
  return lot.expireTime !== null && lot.expireTime <= now;
}

/** Whether the lot has points, spendable or frozen. */
export function isOpen({ remaining, frozen }: Lot): boolean {
  return remaining > 0n || frozen > 0n;
}

/** Adds a lot to the others, in burn order. */
export function withLot(lots: readonly Lot[], lot: Lot): readonly Lot[] {
  return [...lots, lot].toSorted(compareBurnOrder);
}

/**
 * Chooses the lots that points come from.
 *
 * @param lots in burn order
 * @param points at most what those of the lots have remaining that may be taken for the service
 */
export function chooseLots(
  lots: readonly Lot[],
  points: bigint,
  service: Service,
): readonly Allocation[] {
  const chosen: Allocation[] = [];
  let left = points;
  for (const lot of lots) {
    if (left === 0n) break;
    if (lot.remaining === 0n || !admits(lot, service)) continue;
    const taken = min(lot.remaining, left);
    chosen.push({ lot: lot.number, points: taken });
    left -= taken;
  }
  if (left !== 0n) throw new Error(`the lots lack ${left} of ${points} points`);
  return chosen;
}

/** Moves the allocated points of each lot, named once; every other lot stays the same object. */
export function moveAllocated(
  lots: readonly Lot[],
  allocations: readonly Allocation[],
  move: Move,
): readonly Lot[] {
  if (allocations.length === 0) return lots;
  const points = new Map(allocations.map((part) => [part.lot, part.points]));
  return lots.map((lot) => {
    const moved = points.get(lot.number);
    return moved === undefined ? lot : { ...lot, ...move(lot, moved) };
  });
}

/**
 * A movement of a lot's points. Take and return are between `remaining` and nothing, freeze and
 * unfreeze between `remaining` and `frozen`, and takeFrozen is from `frozen` to nothing.
 */
export type Move = (lot: Lot, points: bigint) => Partial<Lot>;

/** Points are spent, expire or are revoked. */
export const takePoints: Move = ({ remaining }, points) => ({ remaining: remaining - points });

/** A hold sets points aside. */
export const freezePoints: Move = ({ remaining, frozen }, points) => ({
  remaining: remaining - points,
  frozen: frozen + points,
});

/** Points of a hold are spent. */
export const takeFrozenPoints: Move = ({ frozen }, points) => ({ frozen: frozen - points });

/** Points of a hold come back. */
export const unfreezePoints: Move = ({ remaining, frozen }, points) => ({
  remaining: remaining + points,
  frozen: frozen - points,
});

/** Spent or revoked points come back. */
export const returnPoints: Move = ({ remaining }, points) => ({ remaining: remaining + points });

/**
 * Splits allocations into the first `points` of them and the rest.
 *
 * @param points at most their sum
 */
export function splitAllocations(
  allocations: readonly Allocation[],
  points: bigint,
): { first: readonly Allocation[]; rest: readonly Allocation[] } {
  const first: Allocation[] = [];
  const rest: Allocation[] = [];
  let left = points;
  for (const { lot, points: all } of allocations) {
    const cut = min(all, left);
    left -= cut;
    if (cut > 0n) first.push({ lot, points: cut });
    if (cut < all) rest.push({ lot, points: all - cut });
  }
  return { first, rest };
}

/** Adds up the points of each lot, lots in the order in which they first come. */
export function mergeAllocations(allocations: readonly Allocation[]): readonly Allocation[] {
  const points = new Map<bigint, bigint>();
  for (const part of allocations) points.set(part.lot, (points.get(part.lot) ?? 0n) + part.points);
  if (points.size === allocations.length) return allocations;
  return [...points].map(([lot, sum]) => ({ lot, points: sum }));
}

/** The points of several lots together. */
export type LotSums = Pick<Lot, "remaining" | "frozen">;

/** Adds the points of lots to the sums of others. */
export function sumLots(lots: readonly Lot[], others: LotSums = NO_POINTS): LotSums {
  let { remaining, frozen } = others;
  for (const lot of lots) {
    remaining += lot.remaining;
    frozen += lot.frozen;
  }
  return { remaining, frozen };
}

const NO_POINTS: LotSums = { remaining: 0n, frozen: 0n };

/** Adds up the points of allocations. */
export function sumPoints(allocations: readonly Allocation[]): bigint {
  return allocations.reduce((sum, { points }) => sum + points, 0n);
}
