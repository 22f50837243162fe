/** What to measure of growth. Each list of entries, ascending, is of one ledger, which grows. */
export type GrowthPlan = {
  /** How many accounts the ledger has that the others are compared with. */
  readonly small: number;
  readonly ledgers: readonly { readonly accounts: number; readonly entries: readonly number[] }[];
  readonly accounts: readonly { readonly entries: number; readonly lots: number }[];
};

// The largest ledger comes first, so that what time cuts off is what matters least.
export const GROWTH: GrowthPlan = {
  small: 100_000,
  ledgers: [
    { accounts: 5_000_000, entries: [0, 1_000_000, 20_000_000] },
    { accounts: 1_000_000, entries: [0, 1_000_000, 20_000_000] },
    { accounts: 10_000, entries: [0, 1_000_000, 20_000_000] },
  ],
  accounts: [
    { entries: 1_000_000, lots: 2 },
    { entries: 1_000, lots: 1_000 },
  ],
};

/** Of a quick look, which shows that all of it works. */
export const QUICK_GROWTH: GrowthPlan = {
  small: 2_000,
  ledgers: [{ accounts: 10_000, entries: [0, 20_000] }],
  accounts: [{ entries: 10_000, lots: 1_000 }],
};
