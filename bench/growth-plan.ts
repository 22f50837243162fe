/** The stages of growth. Each ascending list of entries belongs to one growing ledger. */
export type GrowthPlan = {
  /** The number of accounts of the small ledger that the others are compared with. */
  readonly small: number;
  readonly ledgers: readonly { readonly accounts: number; readonly entries: readonly number[] }[];
  readonly accounts: readonly { readonly entries: number; readonly lots: number }[];
};

// The largest ledger comes first, so that the time limit cuts off the least important stages.
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

/** The stages of --quick, which shows that everything works. */
export const QUICK_GROWTH: GrowthPlan = {
  small: 1_000,
  ledgers: [{ accounts: 2_000, entries: [0, 4_000] }],
  accounts: [{ entries: 2_000, lots: 1_000 }],
};
