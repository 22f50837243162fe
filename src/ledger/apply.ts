import { emptyAccount, hasRoom, MAX_TOTAL } from "./account.ts";
import { type AccountState, bareState, holdsFull, lotsFull } from "./state.ts";
import type {
  Command,
  Consume,
  CostOrRefusal,
  Expire,
  ExpireTarget,
  Expiration,
  Freeze,
  Mutation,
  Recharge,
} from "./command.ts";
import { bookDue } from "./due.ts";
import type { Entry } from "./entry.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import { chooseLots, freezeThem, type Lot, moveAllocated, takeAway, withLot } from "./lot.ts";
import { refund } from "./refund.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import { release, settle } from "./settle.ts";
import { endOf, type Micros } from "./time.ts";

/**
 * Applies one command to an account on which everything due is booked. It is a pure function: a
 * refusal leaves the state that was passed in as the truth.
 *
 * What the command gave back to lots that are past their time is booked as expired after it.
 *
 * @param state the account, or undefined if there is none
 * @param now the account's time: nothing here reads a clock
 * @param lastDue the last entry that was booked by itself for this command: it answers an Expire of
 * what is due
 */
export function apply(
  state: AccountState | undefined,
  command: Command,
  now: Micros,
  lastDue?: Entry,
): Applied | Rejection {
  const makesAccount = command.kind === "open" || command.kind === "recharge";
  if (state === undefined && !makesAccount) {
    return { reason: "ACCOUNT_NOT_FOUND", userId: command.userId };
  }
  const found = state ?? bareState(emptyAccount(command.userId, now));
  const applied = applyBooked(
    { state: found, entries: [], entry: undefined },
    command,
    now,
    lastDue,
  );
  if (isRejection(applied)) return applied;
  const expired = bookDue(applied.state, now);
  if (expired.entries.length === 0) return applied;
  const entries = [...applied.entries, ...expired.entries];
  return { state: expired.state, entries, entry: applied.entry };
}

function applyBooked(
  booked: Applied,
  command: Command,
  now: Micros,
  lastDue: Entry | undefined,
): Applied | Rejection {
  switch (command.kind) {
    case "open":
      return booked;
    case "recharge":
      return recharge(booked, command, now);
    case "consume":
      return consume(booked, command, now);
    case "expire":
      if (command.target.kind === "due") return { ...booked, entry: lastDue };
      return expire(booked, command, command.target, now);
    case "freeze":
      return freeze(booked, command, now);
    case "settle":
      return settle(booked, command, now);
    case "release":
      return release(booked, command, now);
    case "refund":
      return refund(booked, command, now);
  }
}

function recharge(booked: Applied, command: Recharge, now: Micros): Applied | Rejection {
  const { account, lots } = booked.state;
  const { points, priority } = command;
  const expireTime = expireTimeOf(command.expiration, now);
  if (typeof expireTime === "object" && expireTime !== null) return expireTime;
  const denied = overMaxPoints(command, points);
  if (denied !== undefined) return denied;
  if (!hasRoom(account, points)) {
    return { reason: "TOTAL_TOO_LARGE", total: "total_recharged", limit: MAX_TOTAL };
  }
  const full = lotsFull(booked.state, 1);
  if (full !== undefined) return full;
  // Everything is checked; from here on it changes.
  const number = account.sequence + 1n;
  const lot = { number, points, remaining: points, frozen: 0n, priority, expireTime };
  const allocations = [{ lot: number, points }];
  const entry: Draft = { kind: "recharge", points, allocations, expireTime, priority };
  return append(booked, { lots: withLot(lots, lot) }, entry, command, now);
}

function consume(booked: Applied, command: Consume, now: Micros): Applied | Rejection {
  const cost = affordable(booked.state, command);
  if (isRejection(cost)) return cost;
  // Everything is checked; from here on it changes.
  const { points, usage } = cost;
  const allocations = chooseLots(booked.state.lots, points);
  const lots = moveAllocated(booked.state.lots, allocations, takeAway);
  return append(booked, { lots }, { kind: "consume", points, allocations, usage }, command, now);
}

function freeze(booked: Applied, command: Freeze, now: Micros): Applied | Rejection {
  const { account, holds } = booked.state;
  const expireTime = expireTimeOf(command.expiration, now);
  if (expireTime === null) throw new Error("a hold must expire");
  if (typeof expireTime === "object") return expireTime;
  const cost = affordable(booked.state, command);
  if (isRejection(cost)) return cost;
  const full = holdsFull(booked.state);
  if (full !== undefined) return full;
  // Everything is checked; from here on it changes.
  const { points, usage } = cost;
  const allocations = chooseLots(booked.state.lots, points);
  const lots = moveAllocated(booked.state.lots, allocations, freezeThem);
  const number = account.sequence + 1n;
  const hold = { number, points, settled: 0n, status: "open", expireTime, allocations } as const;
  const entry: Draft = { kind: "freeze", points, allocations, expireTime, usage };
  return append(booked, { lots, holds: [...holds, hold] }, entry, command, now);
}

function expire(
  booked: Applied,
  command: Expire,
  target: Exclude<ExpireTarget, { kind: "due" }>,
  now: Micros,
): Applied | Rejection {
  const { state } = booked;
  switch (target.kind) {
    case "points": {
      const refusal = overMaxPoints(command, target.points) ?? insufficient(state, target.points);
      return refusal ?? expirePoints(booked, command, target.points, () => true, now);
    }
    case "lot": {
      const lot = state.lots.find(({ number }) => number === target.lot);
      if (lot === undefined) return { reason: "LOT_NOT_FOUND", lot: target.lot };
      if (lot.remaining === 0n) return booked;
      const denied = overMaxPoints(command, lot.remaining);
      return denied ?? expirePoints(booked, command, lot.remaining, (one) => one === lot, now);
    }
  }
}

function expirePoints(
  booked: Applied,
  command: Mutation,
  points: bigint,
  from: (lot: Lot) => boolean,
  now: Micros,
): Applied {
  const allocations = chooseLots(booked.state.lots, points, from);
  const lots = moveAllocated(booked.state.lots, allocations, takeAway);
  return append(booked, { lots }, { kind: "expire", points, allocations }, command, now);
}

/** The cost, if it is one, the caller may spend it, and the balance covers it. */
function affordable(state: AccountState, command: Consume | Freeze): CostOrRefusal {
  const { cost } = command;
  if (isRejection(cost)) return cost;
  return overMaxPoints(command, cost.points) ?? insufficient(state, cost.points) ?? cost;
}

function insufficient({ account }: AccountState, required: bigint): Rejection | undefined {
  const { balance } = account;
  if (balance >= required) return undefined;
  return { reason: "INSUFFICIENT_POINTS", balance, required, shortfall: required - balance };
}

function expireTimeOf(expiration: Expiration, now: Micros): Micros | null | Rejection {
  switch (expiration.kind) {
    case "never":
      return null;
    case "at":
      if (expiration.time > now) return expiration.time;
      return { reason: "FIELD_INVALID", field: "expire_time", description: "must be after now" };
    case "after":
      return endOf(expiration.ttl, "ttl", now);
  }
}
