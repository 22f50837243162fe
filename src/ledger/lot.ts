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

/** The lots with one more among them, in burn order. */
export function withLot(lots: readonly Lot[], lot: Lot): readonly Lot[] {
  return [...lots, lot].toSorted(compareBurnOrder);
}

/**
 * Takes points from lots that `from` admits, in burn order: the lots afterwards, and from which
 * lot how much was taken. The caller has checked that they hold as many.
 */
export function takePoints(
  lots: readonly Lot[],
  points: bigint,
  from: (lot: Lot) => boolean = () => true,
): { lots: readonly Lot[]; allocations: readonly Allocation[] } {
  let left = points;
  const allocations: Allocation[] = [];
  const after = lots.map((lot) => {
    if (left === 0n || lot.remaining === 0n || !from(lot)) return lot;
    const taken = lot.remaining < left ? lot.remaining : left;
    left -= taken;
    allocations.push({ lot: lot.number, points: taken });
    return { ...lot, remaining: lot.remaining - taken };
  });
  if (left !== 0n) throw new Error(`the lots lack ${left} of ${points} points`);
  return { lots: after, allocations };
}
