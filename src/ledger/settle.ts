import type { Release, Settle } from "./command.ts";
import { type Hold, heldBy } from "./hold.ts";
import { pay, repay } from "./debt.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import { count, uncount, withinLimits } from "./limit.ts";
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
import { openHold, otherService, withHold } from "./named-hold.ts";
import { costAt, serviceOf } from "./prices.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";

/**
 * Spends from a hold in the order in which its points were set aside; the rest goes back, unless the
 * hold is kept open. What the cost is beyond the hold, the balance pays.
 */
export function settle(booked: Applied, command: Settle, now: Micros): Applied | Rejection {
  const { state } = booked;
  const { onShortfall, keepOpen } = command;
  const hold = openHold(state, command);
  if (isRejection(hold)) return hold;
  const held = heldBy(hold);
  const asked = command.cost ?? { points: held, usage: null };
  const cost = costAt(asked, now);
  if (isRejection(cost)) return cost;
  const service = serviceOf(cost);
  const other = otherService(hold, service);
  if (other !== undefined) return other;
  const denied = overMaxPoints(command, cost.points);
  if (denied !== undefined) return denied;
  const beyond = cost.points - held;
  if (beyond > 0n && onShortfall === "refuse") {
    return { reason: "HOLD_EXCEEDED", held, required: cost.points };
  }
  // Everything is checked; from here on it changes.
  const ofHold = beyond > 0n ? held : cost.points;
  const { fromBalance, owed, uncovered } = payBeyond(state, command, {
    hold,
    service,
    beyond,
    now,
  });
  const { first: spent, rest } = splitAllocations(hold.allocations, ofHold);
  const returned = keepOpen ? [] : rest;
  const rested = sumPoints(returned);
  const unspent = moveAllocated(state.lots, spent, takeFrozenPoints);
  const back = giveBack(state, unspent, { rest: returned, now });
  const beside = chooseLots(back.lots, fromBalance, service);
  const entry: Draft = {
    kind: "settle",
    points: ofHold + fromBalance + owed,
    allocations: [...spent, ...beside],
    returned: rested,
    repaid: back.repaid,
    fromBalance,
    owed,
    uncovered,
    keptOpen: keepOpen,
    refersTo: hold.number,
    usage: cost.usage,
    member: hold.member,
  };
  const sequence = state.account.sequence + 1n;
  const more = { ...spenderBeyond(hold, service), points: fromBalance + owed };
  const less = { ...hold, points: rested };
  const policies = count(state.policies, more, { sequence, now });
  const change = {
    lots: moveAllocated(back.lots, beside, takePoints),
    repaidUntil: back.repaidUntil,
    policies: uncount(policies, less, { counted: hold.number, now }),
    holds: withHold(state, hold, {
      settled: hold.settled + ofHold,
      ...(keepOpen ? { allocations: rest } : { status: "settled" }),
    }),
  };
  return append(booked, { change, entry, cause: command, now });
}

/** Pays what a cost is beyond its hold. The limits bound what is taken, but not what is owed. */
function payBeyond(
  state: AccountState,
  { onShortfall }: Settle,
  { hold, service, beyond, now }: Beyond,
) {
  if (beyond <= 0n) return NOTHING_BEYOND;
  const within =
    onShortfall === "take"
      ? withinLimits(state.policies, { ...spenderBeyond(hold, service), points: beyond }, now)
      : beyond;
  const { taken: fromBalance, owed } = pay(state, { points: within, service }, onShortfall);
  return { fromBalance, owed, uncovered: beyond - fromBalance - owed };
}

/** Who spends beyond a hold, on what: of a hold that was made by points the cost says it. */
function spenderBeyond({ service, member }: Hold, used: string | null) {
  return { service: service ?? used, member };
}

type Beyond = {
  readonly hold: Hold;
  readonly service: string | null;
  /** The points; none if not above 0. */
  readonly beyond: bigint;
  readonly now: Micros;
};

const NOTHING_BEYOND = { fromBalance: 0n, owed: 0n, uncovered: 0n };

/** Gives all that a hold still has back to the lots that it came from. */
export function release(booked: Applied, command: Release, now: Micros): Applied | Rejection {
  const { state } = booked;
  const hold = openHold(state, command);
  if (isRejection(hold)) return hold;
  // Everything is checked; from here on it changes.
  const { number: refersTo, member } = hold;
  const points = heldBy(hold);
  const back = giveBack(state, state.lots, { rest: hold.allocations, now });
  const { lots, kept: allocations, repaid, repaidUntil } = back;
  const holds = withHold(state, hold, { status: "released" });
  const policies = uncount(state.policies, { ...hold, points }, { counted: refersTo, now });
  const entry: Draft = { kind: "release", points, allocations, repaid, refersTo, member };
  const change = { lots, holds, repaidUntil, policies };
  return append(booked, { change, entry, cause: command, now });
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
