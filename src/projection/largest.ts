import type { LargeAccount } from "../store/reads/overview-text.ts";

/** The accounts with the largest balances, of those that were added; empty balances are none. */
export type Largest = {
  add(account: LargeAccount): void;
  /** Largest first; of those alike those first that were added first. */
  list(): readonly LargeAccount[];
};

/** Keeps at most twice `max`. */
export function keepLargest(max: number): Largest {
  let kept: LargeAccount[] = [];
  /** What must be exceeded: so many have as much, and were added before. */
  let least = 0n;
  const cut = () => {
    // The sort is stable.
    kept.sort((a, b) => (a.balance > b.balance ? -1 : a.balance < b.balance ? 1 : 0));
    kept.length = Math.min(kept.length, max);
    if (kept.length === max) least = kept.at(-1)!.balance;
  };
  return {
    add({ userId, balance, frozen, debt }) {
      if (balance <= least) return;
      kept.push({ userId, balance, frozen, debt });
      if (kept.length >= 2 * max) cut();
    },
    list() {
      cut();
      return kept;
    },
  };
}
