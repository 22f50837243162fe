import { type AccountState, emptyAccount } from "../../src/ledger/account.ts";
import { apply } from "../../src/ledger/apply.ts";
import type { Command } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import { compareBurnOrder, type Lot } from "../../src/ledger/lot.ts";
import { isRejection, type Rejection } from "../../src/ledger/rejection.ts";

/** The time of most tests: 2026-01-01T00:00:00Z. */
export const NOW = 1_767_225_600_000_000n;

/** A lot as a line of a statement: "#1: 70 of 100, expires +5, priority 2". */
export function lines(state: AccountState): string[] {
  return state.lots.toSorted((a, b) => Number(a.number - b.number)).map(line);
}

function line({ number, remaining, points, expireTime, priority }: Lot): string {
  const expires = expireTime === null ? "" : `, expires ${offset(expireTime)}`;
  const burns = priority === 0 ? "" : `, priority ${priority}`;
  return `#${number}: ${remaining} of ${points}${expires}${burns}`;
}

/** An entry as a line of a statement: "4 consume 30: 20 of #1, 10 of #2". */
export function entryLine({ sequence, kind, points, allocations }: Entry): string {
  const parts = allocations.map((part) => `${part.points} of #${part.lot}`).join(", ");
  return `${sequence} ${kind} ${points}: ${parts}`;
}

/** The account that these lots make; its journal has one entry a lot. */
export function stateOf(lots: readonly string[]): AccountState {
  const parsed = lots.map(parseLot);
  const sum = (of: (lot: Lot) => bigint) => parsed.reduce((total, lot) => total + of(lot), 0n);
  const account = {
    ...emptyAccount("ada", NOW - 100n),
    sequence: parsed.reduce((last, { number }) => (number > last ? number : last), 0n),
    balance: sum((lot) => lot.remaining),
    totalRecharged: sum((lot) => lot.points),
    totalConsumed: sum((lot) => lot.points - lot.remaining),
  };
  return { account, lots: parsed.toSorted(compareBurnOrder) };
}

function parseLot(text: string): Lot {
  const match =
    /^#(\d+): (\d+) of (\d+)(?:, expires ([+-]\d+|now))?(?:, priority (\d+))?$/.exec(text);
  if (match === null) throw new Error(`not a lot: ${text}`);
  const [, number, remaining, points, expires, priority] = match;
  return {
    number: BigInt(number!),
    points: BigInt(points!),
    remaining: BigInt(remaining!),
    frozen: 0n,
    priority: Number(priority ?? 0),
    expireTime: expires === undefined ? null : NOW + (expires === "now" ? 0n : BigInt(expires)),
  };
}

function offset(time: bigint): string {
  const distance = time - NOW;
  return distance === 0n ? "now" : distance > 0n ? `+${distance}` : String(distance);
}

/** Applies a command at NOW and reads the outcome as a statement. */
export function outcome(before: AccountState | undefined, command: Command) {
  const applied = apply(before, command, NOW);
  if (isRejection(applied)) return { refused: applied satisfies Rejection };
  return {
    entries: applied.entries.map(entryLine),
    answer: applied.entry === undefined ? undefined : entryLine(applied.entry),
    lots: lines(applied.state),
    balance: applied.state.account.balance,
  };
}
