import type { Micros } from "./time.ts";

/** Points that were recharged together and expire together. */
export type Lot = {
  /** The sequence of the recharge entry that made it: its name. */
  readonly number: bigint;
  /** How many were recharged. */
  readonly points: bigint;
  /** Points of it that can be spent. */
  readonly remaining: bigint;
  /** Points of it that holds have set aside. */
  readonly frozen: bigint;
  /** 0 to 1000; lower burns first. */
  readonly priority: number;
  /** From this instant on it cannot be spent; null: never. */
  readonly expireTime: Micros | null;
  /** Which row the store found it in, so that it need not search again. Here it is only passed on. */
  readonly row?: string | undefined;
};

/** How many points an entry took from a lot, or gave to it: more than 0. */
export type Allocation = { readonly lot: bigint; readonly points: bigint };

/** Burn order: by priority, then the earliest expiry (never is last), then the oldest. */
export function compareBurnOrder(a: Lot, b: Lot): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (a.expireTime !== b.expireTime) {
    if (a.expireTime === null) return 1;
    if (b.expireTime === null) return -1;
    return a.expireTime < b.expireTime ? -1 : 1;
  }
  return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
}

/** Whether the lot's time has come: exactly from `expireTime` on. */
export function isDue(lot: Lot, now: Micros): boolean {
  return lot.expireTime !== null && lot.expireTime <= now;
}

/** Whether it has points, to be spent or set aside. */
export function isOpen({ remaining, frozen }: Lot): boolean {
  return remaining > 0n || frozen > 0n;
}

/** The lots with one more among them, in burn order. */
export function withLot(lots: readonly Lot[], lot: Lot): readonly Lot[] {
  return [...lots, lot].toSorted(compareBurnOrder);
}

/**
 * Chooses which lots so many points come from, in burn order. The caller has checked that the lots
 * that `from` admits hold as many.
 */
export function chooseLots(
  lots: readonly Lot[],
  points: bigint,
  from: (lot: Lot) => boolean = () => true,
): readonly Allocation[] {
  const chosen: Allocation[] = [];
  let left = points;
  for (const lot of lots) {
    if (left === 0n) break;
    if (lot.remaining === 0n || !from(lot)) continue;
    const taken = min(lot.remaining, left);
    chosen.push({ lot: lot.number, points: taken });
    left -= taken;
  }
  if (left !== 0n) throw new Error(`the lots lack ${left} of ${points} points`);
  return chosen;
}

/** Moves the allocated points of each lot; every other lot stays the very object that it is. */
export function moveAllocated(
  lots: readonly Lot[],
  allocations: readonly Allocation[],
  move: Move,
): readonly Lot[] {
  const points = new Map(allocations.map((allocation) => [allocation.lot, allocation.points]));
  return lots.map((lot) => {
    const moved = points.get(lot.number);
    return moved === undefined ? lot : { ...lot, ...move(lot, moved) };
  });
}

/** What happens to some points of a lot. */
export type Move = (lot: Lot, points: bigint) => Partial<Lot>;

/** They are spent, or expire. */
export const takeAway: Move = ({ remaining }, points) => ({ remaining: remaining - points });

/** They are set aside. */
export const freezeThem: Move = ({ remaining, frozen }, points) => ({
  remaining: remaining - points,
  frozen: frozen + points,
});

/** Having been set aside, they are spent. */
export const spendFrozen: Move = ({ frozen }, points) => ({ frozen: frozen - points });

/** Having been set aside, they come back. */
export const thaw: Move = ({ remaining, frozen }, points) => ({
  remaining: remaining + points,
  frozen: frozen - points,
});

/** Having been spent, they come back. */
export const giveBack: Move = ({ remaining }, points) => ({ remaining: remaining + points });

/**
 * Cuts allocations in two: the first so many points of them, and what is left.
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

/** What several lots hold together. */
export type LotSums = Pick<Lot, "remaining" | "frozen">;

/** What lots hold together. */
export function sumLots(lots: readonly Lot[]): LotSums {
  let [remaining, frozen] = [0n, 0n];
  for (const lot of lots) {
    remaining += lot.remaining;
    frozen += lot.frozen;
  }
  return { remaining, frozen };
}

/** How many points allocations come to. */
export function sumPoints(allocations: readonly Allocation[]): bigint {
  return allocations.reduce((sum, { points }) => sum + points, 0n);
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
