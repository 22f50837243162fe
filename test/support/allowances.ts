import type { Allowance } from "../../src/ledger/policy.ts";
import { expire } from "./commands.ts";
import { NOW } from "./statement.ts";

/** A day in microseconds. */
export const DAY = 86_400_000_000n;

/** An allowance of 10 points a day from NOW on, which live as long as their period. */
export function daily(other: Partial<Allowance> = {}): Allowance {
  return {
    kind: "allowance",
    points: 10n,
    startTime: NOW,
    every: { count: 1, unit: "day" },
    timeZone: "UTC",
    life: { kind: "periods", count: 1 },
    priority: 0,
    category: "",
    services: [],
    endTime: null,
    ...other,
  };
}

/** What the sweeper sends. */
export const SWEEP = expire({ kind: "sweep" });
