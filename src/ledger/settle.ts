import type { Guarded, Release, Settle } from "./command.ts";
import type { Hold } from "./hold.ts";
import { type Payment, pay, repay } from "./debt.ts";
import { entryChanged } from "./guard.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import {
  type Allocation,
  chooseLots,
  type Lot,
  moveAllocated,
  splitAllocations,
  sumPoints,
  takeFrozenPoints,
  takePoints,
  unfreezePoints,
} from "./lot.ts";
import { costAt, serviceOf } from "./prices.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";

/**
 * Spends from a hold in the order in which its points were set aside; the rest goes back. What the
 * cost is beyond the hold, the balance pays.
 */
export function settle(booked: Applied, command: Settle, now: Micros): Applied | Rejection {
  const { state } = booked;
  const { onShortfall } = command;
  const hold = openHold(state, command);
  if (isRejection(hold)) return hold;
  const asked = command.cost ?? { points: hold.points, usage: null };
  const cost = costAt(asked, now);
  if (isRejection(cost)) return cost;
  const service = serviceOf(cost);
  if (service !== null && hold.service !== null && service !== hold.service) {
    const description = `must be ${hold.service}, for whose use the points were set aside`;
    return { reason: "FIELD_INVALID", field: "usage.service", description };
  }
  const beyond = cost.points - hold.points;
  if (beyond > 0n && onShortfall.kind === "refuse") {
    return { reason: "HOLD_EXCEEDED", held: hold.points, required: cost.points };
  }
  const denied = overMaxPoints(command, cost.points);
  if (denied !== undefined) return denied;
  // Everything is checked; from here on it changes.
  const ofHold = beyond > 0n ? hold.points : cost.points;
  const payment =
    beyond > 0n ? pay(state, { points: beyond, service }, onShortfall) : NOTHING_BEYOND;
  const { taken: fromBalance, owed, uncovered } = payment;
  const { first: spent, rest } = splitAllocations(hold.allocations, ofHold);
  const back = giveBack(state, moveAllocated(state.lots, spent, takeFrozenPoints), { rest, now });
  const beside = chooseLots(back.lots, fromBalance, service);
  const entry: Draft = {
    kind: "settle",
    points: ofHold + fromBalance + owed,
    allocations: [...spent, ...beside],
    returned: sumPoints(rest),
    repaid: back.repaid,
    fromBalance,
    owed,
    uncovered,
    refersTo: hold.number,
    usage: cost.usage,
  };
  const change = {
    lots: moveAllocated(back.lots, beside, takePoints),
    repaidUntil: back.repaidUntil,
    holds: close(state, hold, { status: "settled", settled: ofHold }),
  };
  return append(booked, { change, entry, cause: command, now });
}

const NOTHING_BEYOND: Payment = { taken: 0n, owed: 0n, uncovered: 0n };

/** Gives all of a hold back to the lots that its points came from. */
export function release(booked: Applied, command: Release, now: Micros): Applied | Rejection {
  const { state } = booked;
  const hold = openHold(state, command);
  if (isRejection(hold)) return hold;
  // Everything is checked; from here on it changes.
  const { points, number: refersTo } = hold;
  const back = giveBack(state, state.lots, { rest: hold.allocations, now });
  const { lots, kept: allocations, repaid, repaidUntil } = back;
  const holds = close(state, hold, { status: "released" });
  const entry: Draft = { kind: "release", points, allocations, repaid, refersTo };
  return append(booked, { change: { lots, holds, repaidUntil }, entry, cause: command, now });
}

/** Unfreezes points of a hold: what of them repays debt is gone, the others can be spent again. */
function giveBack(
  { account: { debt }, repaidUntil, revoked }: AccountState,
  lots: readonly Lot[],
  { rest, now }: { readonly rest: readonly Allocation[]; readonly now: Micros },
) {
  const byNumber = new Map(debt === 0n ? [] : lots.map((lot) => [lot.number, lot]));
  const lotOf = (number: bigint) => byNumber.get(number)!;
  const back = repay({ debt, repaidUntil, revoked, lotOf, now }, rest);
  const unfrozen = moveAllocated(lots, back.kept, unfreezePoints);
  return { ...back, lots: moveAllocated(unfrozen, back.spent, takeFrozenPoints) };
}

function openHold(
  state: AccountState,
  { hold: number, expectedHash }: Guarded & { readonly hold: bigint },
): Hold | Rejection {
  const hold = state.holds.find((one) => one.number === number);
  if (hold === undefined) return { reason: "HOLD_NOT_FOUND", hold: number };
  const changed = entryChanged(state, number, expectedHash);
  if (changed !== undefined) return changed;
  if (hold.status === "expired") return { reason: "HOLD_EXPIRED", hold: number };
  if (hold.status !== "open") return { reason: "HOLD_CLOSED", hold: number, status: hold.status };
  return hold;
}

function close({ holds }: AccountState, hold: Hold, change: Partial<Hold>): readonly Hold[] {
  return holds.map((one) => (one === hold ? { ...hold, ...change } : one));
}
