import type { Release, Settle } from "./command.ts";
import type { Hold } from "./hold.ts";
import { type Applied, append } from "./journal.ts";
import {
  moveAllocated,
  splitAllocations,
  sumPoints,
  takeFrozenPoints,
  unfreezePoints,
} from "./lot.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";

/** Spends from a hold in the order in which its points were set aside; the rest goes back. */
export function settle(booked: Applied, command: Settle, now: Micros): Applied | Rejection {
  const hold = openHold(booked.state, command.hold);
  if (isRejection(hold)) return hold;
  const cost = command.cost ?? { points: hold.points, usage: null };
  if (isRejection(cost)) return cost;
  const { points, usage } = cost;
  if (points > hold.points) {
    return { reason: "HOLD_EXCEEDED", held: hold.points, required: points };
  }
  const denied = overMaxPoints(command, points);
  if (denied !== undefined) return denied;
  // Everything is checked; from here on it changes.
  const { first: spent, rest } = splitAllocations(hold.allocations, points);
  const withoutSpent = moveAllocated(booked.state.lots, spent, takeFrozenPoints);
  const lots = moveAllocated(withoutSpent, rest, unfreezePoints);
  const holds = close(booked.state, hold, { status: "settled", settled: points });
  const returned = sumPoints(rest);
  const refersTo = hold.number;
  const entry = { kind: "settle", points, allocations: spent, returned, refersTo, usage } as const;
  return append(booked, { change: { lots, holds }, entry, cause: command, now });
}

/** Gives all of a hold back to the lots that its points came from. */
export function release(booked: Applied, command: Release, now: Micros): Applied | Rejection {
  const hold = openHold(booked.state, command.hold);
  if (isRejection(hold)) return hold;
  // Everything is checked; from here on it changes.
  const { points, allocations, number: refersTo } = hold;
  const lots = moveAllocated(booked.state.lots, allocations, unfreezePoints);
  const holds = close(booked.state, hold, { status: "released" });
  const entry = { kind: "release", points, allocations, refersTo } as const;
  return append(booked, { change: { lots, holds }, entry, cause: command, now });
}

function openHold({ holds }: AccountState, number: bigint): Hold | Rejection {
  const hold = holds.find((one) => one.number === number);
  if (hold === undefined) return { reason: "HOLD_NOT_FOUND", hold: number };
  if (hold.status === "expired") return { reason: "HOLD_EXPIRED", hold: number };
  if (hold.status !== "open") return { reason: "HOLD_CLOSED", hold: number, status: hold.status };
  return hold;
}

function close({ holds }: AccountState, hold: Hold, change: Partial<Hold>): readonly Hold[] {
  return holds.map((one) => (one === hold ? { ...hold, ...change } : one));
}
