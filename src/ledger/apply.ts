import { type AccountState, emptyAccount, MAX_TOTAL } from "./account.ts";
import type { Command, Consume, Expire, Expiration, Recharge } from "./command.ts";
import { type Entry, type EntryContent, nextEntry } from "./entry.ts";
import { isDue, type Lot, takePoints, withLot } from "./lot.ts";
import type { Rejection } from "./rejection.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";

/** What a command did to an account. */
export type Applied = {
  readonly state: AccountState;
  /** All entries that it made, what was due first. */
  readonly entries: readonly Entry[];
  /** The entry that answers the command; undefined if it had nothing to do. */
  readonly entry: Entry | undefined;
};

/**
 * Applies one command to an account at an instant. It is a pure function: a refusal leaves the
 * state that was passed in as the truth.
 *
 * @param state the account, or undefined if there is none
 * @param now the database's clock; nothing here reads another
 */
export function apply(
  state: AccountState | undefined,
  command: Command,
  now: Micros,
): Applied | Rejection {
  const makesAccount = command.kind === "open" || command.kind === "recharge";
  if (state === undefined && !makesAccount) {
    return { reason: "ACCOUNT_NOT_FOUND", userId: command.userId };
  }
  const found = state ?? { account: emptyAccount(command.userId, now), lots: [] };
  const booked = bookDue(found, command, now);
  switch (command.kind) {
    case "open":
      return booked;
    case "recharge":
      return recharge(booked, command, now);
    case "consume":
      return consume(booked, command, now);
    case "expire":
      return expire(booked, command, now);
  }
}

/**
 * Books what is past its time, in one EXPIRE entry. It belongs to the command only if that is what
 * the command asked for; otherwise the ledger did it by itself.
 */
function bookDue(state: AccountState, command: Command, now: Micros): Applied {
  const due = (lot: Lot) => isDue(lot, now);
  const points = sumRemaining(state.lots.filter(due));
  if (points === 0n) return { state, entries: [], entry: undefined };

  const asked = command.kind === "expire" && command.target.kind === "due";
  const cause = asked ? causeOf(command) : { request: undefined, metadata: new Map() };
  const { lots, allocations } = takePoints(state.lots, points, due);
  const content = { kind: "expire", points, allocations, ...NOT_A_RECHARGE, ...cause } as const;
  const booked = append({ state, entries: [], entry: undefined }, lots, content, now);
  return asked ? booked : { ...booked, entry: undefined };
}

function recharge(booked: Applied, command: Recharge, now: Micros): Applied | Rejection {
  const { account, lots } = booked.state;
  const { points, priority } = command;
  const expireTime = expireTimeOf(command.expiration, now);
  if (expireTime !== null && typeof expireTime === "object") return expireTime;
  if (account.totalRecharged + points > MAX_TOTAL) {
    return { reason: "TOTAL_TOO_LARGE", total: "total_recharged", limit: MAX_TOTAL };
  }
  // Everything is checked; from here on it changes.
  const number = account.sequence + 1n;
  const lot = { number, points, remaining: points, frozen: 0n, priority, expireTime };
  const content = {
    kind: "recharge",
    points,
    allocations: [{ lot: number, points }],
    expireTime,
    priority,
    ...causeOf(command),
  } as const;
  return append(booked, withLot(lots, lot), content, now);
}

function consume(booked: Applied, command: Consume, now: Micros): Applied | Rejection {
  const { points } = command;
  const refusal = insufficient(booked.state, points);
  if (refusal !== undefined) return refusal;
  // Everything is checked; from here on it changes.
  const { lots, allocations } = takePoints(booked.state.lots, points);
  const cause = causeOf(command);
  const content = { kind: "consume", points, allocations, ...NOT_A_RECHARGE, ...cause } as const;
  return append(booked, lots, content, now);
}

function expire(booked: Applied, command: Expire, now: Micros): Applied | Rejection {
  const { target } = command;
  switch (target.kind) {
    case "due":
      return booked;
    case "points":
      return (
        insufficient(booked.state, target.points) ??
        expirePoints(booked, command, target.points, () => true, now)
      );
    case "lot": {
      const lot = booked.state.lots.find(({ number }) => number === target.lot);
      if (lot === undefined) return { reason: "LOT_NOT_FOUND", lot: target.lot };
      if (lot.remaining === 0n) return booked;
      return expirePoints(booked, command, lot.remaining, ({ number }) => number === lot.number, now);
    }
  }
}

function expirePoints(
  booked: Applied,
  command: Expire,
  points: bigint,
  from: (lot: Lot) => boolean,
  now: Micros,
): Applied {
  const { lots, allocations } = takePoints(booked.state.lots, points, from);
  const cause = causeOf(command);
  const content = { kind: "expire", points, allocations, ...NOT_A_RECHARGE, ...cause } as const;
  return append(booked, lots, content, now);
}

const NOT_A_RECHARGE = { expireTime: null, priority: 0 } as const;

function causeOf({ request, metadata }: Recharge | Consume | Expire) {
  return { request, metadata };
}

function append(
  before: Applied,
  lots: readonly Lot[],
  content: EntryContent,
  now: Micros,
): Applied {
  const { entry, account } = nextEntry(before.state, content, now);
  return { state: { account, lots }, entries: [...before.entries, entry], entry };
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
      if (now + expiration.ttl <= LAST_INSTANT) return now + expiration.ttl;
      return {
        reason: "FIELD_INVALID",
        field: "ttl",
        description: "must end before the year 10000",
      };
  }
}

function sumRemaining(lots: readonly Lot[]): bigint {
  return lots.reduce((sum, lot) => sum + lot.remaining, 0n);
}
