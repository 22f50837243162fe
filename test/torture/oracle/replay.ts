import type { PricedUsage } from "../../../gen/points/v1/prices_pb.ts";
import { type Part, totalOf } from "./parts.ts";
import { insert, remove } from "./sorted.ts";

// The test oracle: an independent implementation of the ledger's rules, for the checker. This file
// has the state after each entry; decide.ts gives the verdict on an operation. Both share nothing
// with src/. The model in test/support/model.ts is more naive, and too slow for millions of
// operations; replay.test.ts compares the two.

export type ReplayedLot = {
  readonly number: bigint;
  readonly points: bigint;
  remaining: bigint;
  frozen: bigint;
  readonly priority: number;
  /** Microseconds since 1970; undefined: never. */
  readonly expireTime: bigint | undefined;
  readonly category: string;
  /** Only usage of these may take of it; empty: anything may. */
  readonly services: readonly string[];
};

export type ReplayedHold = {
  readonly number: bigint;
  readonly points: bigint;
  settled: bigint;
  status: "open" | "settled" | "released" | "expired";
  /** Empty: it was frozen by points. */
  readonly service: string;
  readonly expireTime: bigint;
  readonly parts: readonly Part[];
};

/** The points that an entry spent, and how many of them were refunded. */
type Spend = { readonly points: bigint; readonly parts: readonly Part[]; refunded: bigint };

/** The state of an account between two entries. It is changed in place. */
export type Replayed = {
  sequence: bigint;
  /** The time of its last entry, or its creation: microseconds since 1970. */
  time: bigint;
  balance: bigint;
  frozen: bigint;
  totalRecharged: bigint;
  totalConsumed: bigint;
  totalExpired: bigint;
  totalRefunded: bigint;
  /** All of them since the creation, by number or by sequence. */
  readonly lots: Map<bigint, ReplayedLot>;
  readonly holds: Map<bigint, ReplayedHold>;
  readonly spends: Map<bigint, Spend>;
  readonly kinds: Map<bigint, string>;
  /** The lots that have points, spendable or frozen. */
  readonly openLots: Set<ReplayedLot>;
  /** The lots that have spendable points, in burn order. */
  readonly spendable: ReplayedLot[];
  readonly openHolds: Set<ReplayedHold>;
  /** A queue of expiries, the next first. Lots without points and closed holds may be in it. */
  readonly agenda: Appointment[];
};

type Appointment = {
  readonly at: bigint;
  readonly what: "hold" | "lot";
  readonly number: bigint;
};

/** An entry before it is appended: its content and its effect. */
export type Draft = {
  readonly kind: "recharge" | "consume" | "expire" | "freeze" | "settle" | "release" | "refund";
  readonly parts: readonly Part[];
  readonly points: bigint;
  readonly returned: bigint;
  readonly refersTo: bigint;
  readonly expireTime: bigint | undefined;
  readonly priority: number;
  readonly category: string;
  readonly services: readonly string[];
  readonly usage: PricedUsage | undefined;
  /** Applies the effect. */
  readonly change: (account: Replayed) => void;
};

/** A draft with its time: microseconds since 1970. */
export type Dated = Draft & { readonly time: bigint };

/** The ledger expires at most this many lots in one entry. */
const EXPIRED_LOTS_MAX = 500;

/** An account without entries, made at an instant. */
export function emptyReplay(time: bigint): Replayed {
  return {
    sequence: 0n,
    time,
    balance: 0n,
    frozen: 0n,
    totalRecharged: 0n,
    totalConsumed: 0n,
    totalExpired: 0n,
    totalRefunded: 0n,
    lots: new Map(),
    holds: new Map(),
    spends: new Map(),
    kinds: new Map(),
    openLots: new Set(),
    spendable: [],
    openHolds: new Set(),
    agenda: [],
  };
}

/** The next instant at which something falls due; undefined: never. */
export function nextDueTime(account: Replayed): bigint | undefined {
  return nextAppointment(account)?.at;
}

/** Whether something is due by an instant. */
export function isDue(account: Replayed, now: bigint): boolean {
  const time = nextDueTime(account);
  return time !== undefined && time <= now;
}

/** The next entry of what is due; its time is the instant at which it falls due. */
export function dueDraft(account: Replayed): Dated | undefined {
  const next = nextAppointment(account);
  if (next === undefined) return undefined;
  const { at: time, what, number } = next;
  if (what === "hold") return { ...releaseOf(account.holds.get(number)!, "expired"), time };
  const parts = [...account.openLots]
    .filter((lot) => lot.remaining > 0n && isPast(lot, time))
    .toSorted((a, b) => order(a.number, b.number))
    .slice(0, EXPIRED_LOTS_MAX)
    .map((lot) => ({ lot: lot.number, points: lot.remaining }));
  return { ...debitOf("expire", parts), time };
}

/** Appends an entry, and applies its effect to the account. */
export function append(account: Replayed, draft: Dated): void {
  account.time = draft.time;
  draft.change(account);
  account.sequence += 1n;
  account.kinds.set(account.sequence, draft.kind);
}

/** A draft that gives all points of a hold back to their lots. */
export function releaseOf(hold: ReplayedHold, status: "released" | "expired"): Draft {
  const { parts, points, number } = hold;
  return {
    ...draftOf("release", parts),
    refersTo: number,
    change(after) {
      after.balance += points;
      after.frozen -= points;
      for (const part of parts) moveLot(after, part.lot, part.points, -part.points);
      closeHold(after, hold, status);
    },
  };
}

/** A draft that takes points from the balance. */
export function debitOf(kind: "consume" | "expire", parts: readonly Part[]): Draft {
  const draft = draftOf(kind, parts);
  return {
    ...draft,
    change(after) {
      after.balance -= draft.points;
      for (const part of parts) moveLot(after, part.lot, -part.points, 0n);
      if (kind === "expire") after.totalExpired += draft.points;
      else {
        after.totalConsumed += draft.points;
        after.spends.set(after.sequence + 1n, { points: draft.points, parts, refunded: 0n });
      }
    },
  };
}

/** Adds to a lot's remaining and frozen points; negative numbers take away. */
export function moveLot(
  account: Replayed,
  number: bigint,
  remaining: bigint,
  frozen: bigint,
): void {
  const lot = account.lots.get(number)!;
  const wasSpendable = lot.remaining > 0n;
  lot.remaining += remaining;
  lot.frozen += frozen;
  if (lot.remaining > 0n || lot.frozen > 0n) account.openLots.add(lot);
  else account.openLots.delete(lot);
  const isSpendable = lot.remaining > 0n;
  if (isSpendable && !wasSpendable) enterLot(account, lot);
  if (!isSpendable && wasSpendable) remove(account.spendable, lot, compareBurning);
}

/** Adds a new lot. */
export function addLot(account: Replayed, lot: ReplayedLot): void {
  account.lots.set(lot.number, lot);
  account.openLots.add(lot);
  enterLot(account, lot);
}

/** Adds a new hold. */
export function addHold(account: Replayed, hold: ReplayedHold): void {
  const { number, expireTime: at } = hold;
  account.holds.set(number, hold);
  account.openHolds.add(hold);
  insert(account.agenda, { at, what: "hold", number }, compareAppointments);
}

/** Closes a hold, and returns it. */
export function closeHold(
  account: Replayed,
  { number }: ReplayedHold,
  status: ReplayedHold["status"],
) {
  const hold = account.holds.get(number)!;
  hold.status = status;
  account.openHolds.delete(hold);
  return hold;
}

/** The content that entries of most kinds share. */
export function draftOf(kind: Draft["kind"], parts: readonly Part[]): Omit<Draft, "change"> {
  const noLot = { expireTime: undefined, priority: 0, category: "", services: [] };
  const nothing = { returned: 0n, refersTo: 0n, usage: undefined };
  return { kind, parts, points: totalOf(parts), ...noLot, ...nothing };
}

/** The burn order: priority, then lots for some services, then expiry (never is last), then number. */
export function compareBurning(a: ReplayedLot, b: ReplayedLot): number {
  const never = 1n << 63n;
  return (
    a.priority - b.priority ||
    Number(a.services.length === 0) - Number(b.services.length === 0) ||
    order(a.expireTime ?? never, b.expireTime ?? never) ||
    order(a.number, b.number)
  );
}

/** Whether the lot has expired by `now`. */
export function isPast({ expireTime }: ReplayedLot, now: bigint): boolean {
  return expireTime !== undefined && expireTime <= now;
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function enterLot({ spendable, agenda, time }: Replayed, lot: ReplayedLot): void {
  insert(spendable, lot, compareBurning);
  const { number, expireTime } = lot;
  if (expireTime === undefined) return;
  // Points that come back to an expired lot expire at once.
  const at = expireTime > time ? expireTime : time;
  insert(agenda, { at, what: "lot", number }, compareAppointments);
}

function nextAppointment({ agenda, lots, holds }: Replayed): Appointment | undefined {
  const isOn = ({ what, number }: Appointment) =>
    what === "hold" ? holds.get(number)!.status === "open" : lots.get(number)!.remaining > 0n;
  while (agenda.length > 0 && !isOn(agenda[0]!)) agenda.shift();
  return agenda[0];
}

/** At one instant holds end before lots, each in the order of their numbers. */
function compareAppointments(a: Appointment, b: Appointment): number {
  if (a.at !== b.at) return order(a.at, b.at);
  return a.what === b.what ? order(a.number, b.number) : a.what === "hold" ? -1 : 1;
}
