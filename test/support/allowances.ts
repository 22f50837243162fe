import type { AskedRule, Command } from "../../src/ledger/command.ts";
import type { Allowance } from "../../src/ledger/policy.ts";
import { NOW } from "./statement.ts";

/** A day in microseconds. */
export const DAY = 86_400_000_000n;

const nobody = {
  userId: "ada",
  request: undefined,
  metadata: new Map<string, string>(),
  caller: "",
  actor: "",
};

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

export function put(name: string, rule: AskedRule): Command {
  return { kind: "putPolicy", ...nobody, name, rule };
}

export function deletePolicy(name: string): Command {
  return { kind: "deletePolicy", ...nobody, name };
}

/** What the sweeper sends. */
export const SWEEP: Command = { kind: "expire", ...nobody, target: { kind: "sweep" } };

/** Spends points that the account may not have, as far as its credit line goes. */
export function owe(points: bigint): Command {
  const cost = { points, usage: null };
  return { kind: "consume", ...nobody, member: "", cost, onShortfall: "owe" };
}
