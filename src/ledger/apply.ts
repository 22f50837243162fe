import { emptyAccount, hasRoom, MAX_TOTAL } from "./account.ts";
import type { Command, Consume, Expire, Freeze, Recharge } from "./command.ts";
import { pay, rechargeOf } from "./debt.ts";
import { bookDue } from "./due.ts";
import type { Entry } from "./entry.ts";
import { expireTimeOf, holdEndOf } from "./expiration.ts";
import { extendHold } from "./extend-hold.ts";
import { type FirstPolicy, setFirstPolicies } from "./first-policies.ts";
import { entryChanged } from "./guard.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import { count, limitExceeded, withinLimits } from "./limit.ts";
import { chooseLots, freezePoints, type Lot, moveAllocated, takePoints, withLot } from "./lot.ts";
import { costAt, type CostOrRefusal, serviceOf } from "./prices.ts";
import { refund } from "./refund.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import { revoke } from "./revoke.ts";
import { deletePolicy, putPolicy } from "./set-policy.ts";
import { release, settle } from "./settle.ts";
import { type AccountState, bareState, holdsFull, lotsFull } from "./state.ts";
import type { Micros } from "./time.ts";
import { insufficient, insufficientBy } from "./usable.ts";
import { isVisit } from "./visit.ts";

/** When a command is applied, and what it may need. */
export type Instant = {
  /** The account's time: see `timeOf`. Nothing in the ledger reads a clock. */
  readonly now: Micros;
  /** The last entry that was booked as due before this command: it answers an Expire of due. */
  readonly lastDue?: Entry | undefined;
  /** The salt of the account, if the command makes one, and the policies that it gets. */
  readonly salt?: Uint8Array | undefined;
  readonly firstPolicies?: readonly FirstPolicy[];
};

/**
 * Applies one command to an account on which everything due is booked. It is a pure function: a
 * refusal leaves the state that was passed in as the truth.
 *
 * If the command gives points back to lots, what claims on them take is booked after it, and an
 * expiry of what is past its time; so is the first period of an allowance that begins now.
 *
 * @param state the account; undefined: there is none
 */
export function apply(
  state: AccountState | undefined,
  command: Command,
  at: Instant,
): Applied | Rejection {
  const makesAccount = MAKING.has(command.kind);
  if (state === undefined && !makesAccount) {
    return { reason: "ACCOUNT_NOT_FOUND", userId: command.userId };
  }
  const found = state ?? newState(command.userId, at);
  const own = applyBooked({ state: found, entries: [], entry: undefined }, command, at);
  if (isRejection(own)) return own;
  const { firstPolicies: policies = [], now } = at;
  const applied = state === undefined ? setFirstPolicies(own, command, { policies, now }) : own;
  const due = bookDue(applied.state, now, { mode: isVisit(command) ? "visit" : "sweep" });
  if (due.state === applied.state) return applied;
  return { ...applied, state: due.state, entries: [...applied.entries, ...due.entries] };
}

const MAKING: ReadonlySet<Command["kind"]> = new Set(["open", "recharge", "putPolicy"]);

function newState(userId: string, { now: createTime, salt }: Instant): AccountState {
  if (salt === undefined) throw new Error("a new account has no salt");
  return bareState(emptyAccount(userId, { salt, createTime }));
}

function applyBooked(booked: Applied, command: Command, at: Instant): Applied | Rejection {
  const { now } = at;
  switch (command.kind) {
    case "open":
      return booked;
    case "recharge":
      return recharge(booked, command, now);
    case "consume":
      return consume(booked, command, now);
    case "expire":
      return expire(booked, command, at);
    case "revoke":
      return revoke(booked, command, now);
    case "freeze":
      return freeze(booked, command, now);
    case "extendHold":
      return extendHold(booked, command, now);
    case "settle":
      return settle(booked, command, now);
    case "release":
      return release(booked, command, now);
    case "refund":
      return refund(booked, command, now);
    case "putPolicy":
      return putPolicy(booked, command, now);
    case "deletePolicy":
      return deletePolicy(booked, command, now);
  }
}

function recharge(booked: Applied, command: Recharge, now: Micros): Applied | Rejection {
  const { account, lots } = booked.state;
  const { points, priority, expiration, category, services } = command;
  const end = expiration.kind === "never" ? { expireTime: null } : expireTimeOf(expiration, now);
  if (isRejection(end)) return end;
  const { expireTime } = end;
  const denied = overMaxPoints(command, points);
  if (denied !== undefined) return denied;
  if (!hasRoom(account, points)) {
    return { reason: "TOTAL_TOO_LARGE", total: "total_recharged", limit: MAX_TOTAL };
  }
  const full = lotsFull(booked.state, 1);
  if (full !== undefined) return full;
  // Everything is checked; from here on it changes.
  const made = { points, priority, expireTime, category, services };
  const { lot, entry, repaidUntil } = rechargeOf(booked.state, made);
  const change = { lots: withLot(lots, lot), repaidUntil };
  return append(booked, { change, entry, cause: command, now });
}

function consume(booked: Applied, command: Consume, now: Micros): Applied | Rejection {
  const { state } = booked;
  const { onShortfall, member } = command;
  const cost = costAt(command.cost, now);
  if (isRejection(cost)) return cost;
  const denied = overMaxPoints(command, cost.points);
  if (denied !== undefined) return denied;
  const service = serviceOf(cost);
  const spend = { points: cost.points, service, member };
  const within = withinLimits(state.policies, spend, now);
  if (within < cost.points && onShortfall !== "take") {
    return limitExceeded(state.policies, spend, now)!;
  }
  const { taken, owed } = pay(state, { points: within, service }, onShortfall);
  const uncovered = cost.points - taken - owed;
  if (uncovered > 0n && onShortfall !== "take") {
    return insufficientBy(state, { required: cost.points, service, shortfall: uncovered });
  }
  // Everything is checked; from here on it changes.
  const allocations = chooseLots(state.lots, taken, service);
  const lots = moveAllocated(state.lots, allocations, takePoints);
  const points = taken + owed;
  const sequence = state.account.sequence + 1n;
  const policies = count(state.policies, { ...spend, points }, { sequence, now });
  const { usage } = cost;
  const entry: Draft = { kind: "consume", points, allocations, owed, uncovered, usage, member };
  return append(booked, { change: { lots, policies }, entry, cause: command, now });
}

function freeze(booked: Applied, command: Freeze, now: Micros): Applied | Rejection {
  const { account, holds, policies } = booked.state;
  const end = holdEndOf(command.expiration, { from: now, now });
  if (isRejection(end)) return end;
  const { expireTime } = end;
  const cost = affordable(booked.state, command, now);
  if (isRejection(cost)) return cost;
  const full = holdsFull(booked.state);
  if (full !== undefined) return full;
  // Everything is checked; from here on it changes.
  const { points, usage } = cost;
  const service = serviceOf(cost);
  const allocations = chooseLots(booked.state.lots, points, service);
  const lots = moveAllocated(booked.state.lots, allocations, freezePoints);
  const number = account.sequence + 1n;
  const { member } = command;
  const made = { number, points, service, member, expireTime, allocations, freezeTime: now };
  const hold = { ...NEW_HOLD, ...made };
  const entry: Draft = { kind: "freeze", points, allocations, expireTime, usage, member };
  const counted = count(policies, made, { sequence: number, now });
  const change = { lots, holds: [...holds, hold], policies: counted };
  return append(booked, { change, entry, cause: command, now });
}

const NEW_HOLD = { settled: 0n, status: "open" } as const;

function expire(booked: Applied, command: Expire, { now, lastDue }: Instant): Applied | Rejection {
  const { lots } = booked.state;
  const { target } = command;
  switch (target.kind) {
    case "due":
    case "sweep":
      return { ...booked, entry: lastDue };
    case "points":
      return expirePoints(booked, { command, from: lots, points: target.points, now });
    case "lot": {
      const changed = entryChanged(booked.state, target.lot, target.expectedHash);
      if (changed !== undefined) return changed;
      const lot = lots.find(({ number }) => number === target.lot);
      if (lot === undefined) return { reason: "LOT_NOT_FOUND", lot: target.lot };
      if (lot.remaining === 0n) return booked;
      return expirePoints(booked, { command, from: [lot], points: lot.remaining, now });
    }
  }
}

function expirePoints(
  booked: Applied,
  expiry: { command: Expire; from: readonly Lot[]; points: bigint; now: Micros },
): Applied | Rejection {
  const { command, from, points, now } = expiry;
  const refusal = overMaxPoints(command, points) ?? insufficient(booked.state, points, undefined);
  if (refusal !== undefined) return refusal;
  // Everything is checked; from here on it changes.
  const allocations = chooseLots(from, points, undefined);
  const lots = moveAllocated(booked.state.lots, allocations, takePoints);
  const entry: Draft = { kind: "expire", points, allocations };
  return append(booked, { change: { lots }, entry, cause: command, now });
}

/** The cost; or a refusal if it has none, the caller may not spend it, or there is too little for it. */
function affordable(state: AccountState, command: Freeze, now: Micros): CostOrRefusal {
  const cost = costAt(command.cost, now);
  if (isRejection(cost)) return cost;
  const { points } = cost;
  const service = serviceOf(cost);
  const { member } = command;
  return (
    overMaxPoints(command, points) ??
    limitExceeded(state.policies, { points, service, member }, now) ??
    insufficient(state, points, service) ??
    cost
  );
}
