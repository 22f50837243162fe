import type { PricedUsage } from "../../../gen/points/v1/prices_pb.ts";
import { type Part, totalOf } from "./parts.ts";
import { insert, remove } from "./sorted.ts";

// The rules of the ledger once more, for the checker: an account as it is after each of its
// entries; decide.ts says what operations come to. They share nothing with src/. The model in
// test/support/model.ts is more naive, and too slow for millions of operations; replay.test.ts
// compares the two.

export type ReplayedLot = {
  readonly number: bigint;
  readonly points: bigint;
  remaining: bigint;
  frozen: bigint;
  readonly priority: number;
  /** Microseconds since 1970; undefined: never. */
  readonly expireTime: bigint | undefined;
};

export type ReplayedHold = {
  readonly number: bigint;
  readonly points: bigint;
  settled: bigint;
  status: "open" | "settled" | "released" | "expired";
  readonly expireTime: bigint;
  readonly parts: readonly Part[];
};

/** What an entry spent, and how much of it was refunded. */
type Spend = { readonly points: bigint; readonly parts: readonly Part[]; refunded: bigint };

/** An account between two of its entries. It is changed in place. */
export type Replayed = {
  sequence: bigint;
  /** Of its last entry, or when it was made: microseconds since 1970. */
  time: bigint;
  balance: bigint;
  frozen: bigint;
  totalRecharged: bigint;
  totalConsumed: bigint;
  totalExpired: bigint;
  totalRefunded: bigint;
  /** By number, or by sequence: all that there ever were. */
  readonly lots: Map<bigint, ReplayedLot>;
  readonly holds: Map<bigint, ReplayedHold>;
  readonly spends: Map<bigint, Spend>;
  readonly kinds: Map<bigint, string>;
  /** The lots with points, spendable or frozen. */
  readonly openLots: Set<ReplayedLot>;
  /** Those with points that can be spent, in the order in which they burn. */
  readonly spendable: ReplayedLot[];
  readonly openHolds: Set<ReplayedHold>;
  /** When lots and holds end, the next first; some have no points any more, or are closed. */
  readonly agenda: Appointment[];
};

type Appointment = {
  readonly at: bigint;
  readonly what: "hold" | "lot";
  readonly number: bigint;
};

/** An entry to be: what it says and what it does. */
export type Draft = {
  readonly kind: "recharge" | "consume" | "expire" | "freeze" | "settle" | "release" | "refund";
  readonly parts: readonly Part[];
  readonly points: bigint;
  readonly returned: bigint;
  readonly refersTo: bigint;
  readonly expireTime: bigint | undefined;
  readonly priority: number;
  readonly usage: PricedUsage | undefined;
  /** Makes the change that it tells of. */
  readonly change: (account: Replayed) => void;
};

/** An entry to be, and when: microseconds since 1970. */
export type Dated = Draft & { readonly time: bigint };

/** So many lots the ledger expires in one entry at the most. */
const EXPIRED_LOTS_MAX = 500;

/** An account that was only made, at an instant. */
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

/** The next instant at which the ledger has to do something by itself; undefined: never. */
export function nextDueTime(account: Replayed): bigint | undefined {
  return nextAppointment(account)?.at;
}

/** Whether the ledger has something to do by itself that is due by an instant. */
export function isDue(account: Replayed, now: bigint): boolean {
  const time = nextDueTime(account);
  return time !== undefined && time <= now;
}

/** The next entry that the ledger writes by itself, of the instant at which it is due. */
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
  return { ...takeAway("expire", parts), time };
}

/** Writes the entry: the account is then as it left it. */
export function append(account: Replayed, draft: Dated): void {
  account.time = draft.time;
  draft.change(account);
  account.sequence += 1n;
  account.kinds.set(account.sequence, draft.kind);
}

/** Gives all of a hold back. */
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

/** Takes points away from the balance. */
export function takeAway(kind: "consume" | "expire", parts: readonly Part[]): Draft {
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

/** Changes what a lot has, by so many points. */
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

/** A new lot. */
export function addLot(account: Replayed, lot: ReplayedLot): void {
  account.lots.set(lot.number, lot);
  account.openLots.add(lot);
  enterLot(account, lot);
}

/** A new hold. */
export function addHold(account: Replayed, hold: ReplayedHold): void {
  const { number, expireTime: at } = hold;
  account.holds.set(number, hold);
  account.openHolds.add(hold);
  insert(account.agenda, { at, what: "hold", number }, compareAppointments);
}

/** Closes a hold, and gives it. */
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

/** What entries of most kinds say. */
export function draftOf(kind: Draft["kind"], parts: readonly Part[]): Omit<Draft, "change"> {
  const nothing = { returned: 0n, refersTo: 0n, expireTime: undefined, priority: 0 };
  return { kind, parts, points: totalOf(parts), ...nothing, usage: undefined };
}

/** Lots in the order in which they burn: never is the last time of all. */
export function compareBurning(a: ReplayedLot, b: ReplayedLot): number {
  const never = 1n << 63n;
  return (
    a.priority - b.priority ||
    order(a.expireTime ?? never, b.expireTime ?? never) ||
    order(a.number, b.number)
  );
}

/** Whether the lot's time has come. */
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
  // What comes back to a lot past its time expires at once.
  const at = expireTime > time ? expireTime : time;
  insert(agenda, { at, what: "lot", number }, compareAppointments);
}

function nextAppointment({ agenda, lots, holds }: Replayed): Appointment | undefined {
  const isOn = ({ what, number }: Appointment) =>
    what === "hold" ? holds.get(number)!.status === "open" : lots.get(number)!.remaining > 0n;
  while (agenda.length > 0 && !isOn(agenda[0]!)) agenda.shift();
  return agenda[0];
}

/** At one instant holds end before lots do, each by their numbers. */
function compareAppointments(a: Appointment, b: Appointment): number {
  if (a.at !== b.at) return order(a.at, b.at);
  return a.what === b.what ? order(a.number, b.number) : a.what === "hold" ? -1 : 1;
}
