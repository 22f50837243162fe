import type { Policy } from "../../../gen/points/v1/policy_pb.ts";
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
  /** The points of it that were revoked, and those of them that it has not given yet. */
  revoked: bigint;
  claimed: bigint;
};

export type ReplayedHold = {
  readonly number: bigint;
  /** All points that were set aside, and those of them that were spent. */
  points: bigint;
  settled: bigint;
  status: "open" | "settled" | "released" | "expired";
  /** Empty: it was frozen by points. */
  readonly service: string;
  expireTime: bigint;
  readonly freezeTime: bigint;
  /** What it still has, or had when it was closed. */
  parts: readonly Part[];
};

/** The points that an entry spent or revoked, and how many of them were refunded. */
export type Spend = {
  readonly points: bigint;
  readonly parts: readonly Part[];
  /** The points of it that nobody had. */
  readonly owed: bigint;
  /** The points that it claimed of a lot; undefined: it claimed none. */
  readonly claim?: Part | undefined;
  /** Those of a claim included. */
  refunded: bigint;
};

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
  totalRevoked: bigint;
  debt: bigint;
  /** See `ComeBack`. */
  repaidUntil: bigint;
  /** All of them since the creation, by number or by sequence. */
  readonly lots: Map<bigint, ReplayedLot>;
  readonly holds: Map<bigint, ReplayedHold>;
  readonly spends: Map<bigint, Spend>;
  readonly kinds: Map<bigint, string>;
  /** Of each entry, 32 bytes. The oracle knows no hash: whoever appends an entry adds its. */
  readonly hashes: Map<bigint, Uint8Array>;
  /** The lots that have points, spendable or frozen. */
  readonly openLots: Set<ReplayedLot>;
  /** The lots that have spendable points, in burn order. */
  readonly spendable: ReplayedLot[];
  readonly openHolds: Set<ReplayedHold>;
  /** By name. */
  readonly policies: Map<string, Policy>;
  /** The names of the alerts below whose number the last entry brought it. */
  alerts: readonly string[];
  /**
   * A queue of what falls due, the next first. Lots without points and holds that ended otherwise may
   * be in it.
   */
  readonly agenda: Appointment[];
};

/** When something falls due. */
export type Appointment = {
  readonly at: bigint;
  /** A claim is due as soon as points come back to its lot. */
  readonly what: "claim" | "hold" | "lot";
  readonly number: bigint;
};

/** An entry before it is appended: its content and its effect. */
export type Draft = {
  readonly kind:
    | "recharge"
    | "consume"
    | "expire"
    | "revoke"
    | "freeze"
    | "extend"
    | "settle"
    | "release"
    | "refund"
    | "setPolicy";
  readonly parts: readonly Part[];
  readonly points: bigint;
  readonly returned: bigint;
  readonly keptOpen: boolean;
  readonly fromClaim: boolean;
  readonly owed: bigint;
  readonly uncovered: bigint;
  readonly repaid: bigint;
  readonly fromBalance: bigint;
  readonly refersTo: bigint;
  readonly expireTime: bigint | undefined;
  readonly priority: number;
  readonly category: string;
  readonly services: readonly string[];
  readonly usage: PricedUsage | undefined;
  readonly policy?: Policy;
  /** Applies the effect. */
  readonly change: (account: Replayed) => void;
};

/** A draft with its time: microseconds since 1970. */
export type Dated = Draft & { readonly time: bigint };

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
    totalRevoked: 0n,
    debt: 0n,
    repaidUntil: 0n,
    lots: new Map(),
    holds: new Map(),
    spends: new Map(),
    kinds: new Map(),
    hashes: new Map(),
    openLots: new Set(),
    spendable: [],
    openHolds: new Set(),
    policies: new Map(),
    alerts: [],
    agenda: [],
  };
}

/** Appends an entry, and applies its effect to the account. */
export function append(account: Replayed, draft: Dated): void {
  account.time = draft.time;
  const had = worthOf(account);
  draft.change(account);
  const has = worthOf(account);
  account.alerts = [...account.policies.values()]
    .flatMap(({ name, rule }) =>
      rule.case === "alert" && had >= rule.value.below && has < rule.value.below ? [name] : [],
    )
    .toSorted();
  account.sequence += 1n;
  account.kinds.set(account.sequence, draft.kind);
}

/** What the account has, spendable or frozen, less its debt. */
function worthOf({ balance, frozen, debt }: Replayed): bigint {
  return balance + frozen - debt;
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

/** Takes points of lots from the balance. */
export function takeParts(after: Replayed, parts: readonly Part[]): void {
  after.balance -= totalOf(parts);
  for (const part of parts) moveLot(after, part.lot, -part.points, 0n);
}

/** Adds what the next entry spends or revokes, but not to the total of such points. */
export function addSpend(after: Replayed, spent: Omit<Spend, "refunded">): void {
  after.debt += spent.owed;
  after.spends.set(after.sequence + 1n, { ...spent, refunded: 0n });
}

/** A new lot, of which nothing is frozen or revoked. */
export type NewLot = Omit<ReplayedLot, "frozen" | "revoked" | "claimed">;

/** Adds a new lot. */
export function addLot(account: Replayed, made: NewLot): void {
  const lot = { ...made, frozen: 0n, revoked: 0n, claimed: 0n };
  account.lots.set(lot.number, lot);
  // It may have repaid debt with all that it had.
  if (lot.remaining === 0n) return;
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

/** Moves a hold's end to a later instant. */
export function prolongHold(account: Replayed, hold: ReplayedHold, at: bigint): void {
  hold.expireTime = at;
  insert(account.agenda, { at, what: "hold", number: hold.number }, compareAppointments);
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
  const nothing = { returned: 0n, refersTo: 0n, usage: undefined, ...NO_FLAGS, ...NO_DEBTS };
  return { kind, parts, points: totalOf(parts), ...noLot, ...nothing };
}

const NO_FLAGS = { keptOpen: false, fromClaim: false };
const NO_DEBTS = { owed: 0n, uncovered: 0n, repaid: 0n, fromBalance: 0n };

/** The lots that the API lists, in burn order: they have points, or points of them are claimed. */
export function listedLots({ lots }: Replayed): readonly ReplayedLot[] {
  return [...lots.values()]
    .filter(({ remaining, frozen, claimed }) => remaining + frozen + claimed > 0n)
    .toSorted(compareBurning);
}

/** The burn order: priority, then lots for some services, then expiry (never is last), then number. */
function compareBurning(a: ReplayedLot, b: ReplayedLot): number {
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

/** Compares numbers. */
export function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function enterLot({ spendable, agenda, time }: Replayed, lot: ReplayedLot): void {
  insert(spendable, lot, compareBurning);
  const { number, expireTime, claimed } = lot;
  if (claimed > 0n) insert(agenda, { at: time, what: "claim", number }, compareAppointments);
  if (expireTime === undefined) return;
  // Points that come back to an expired lot expire at once.
  const at = expireTime > time ? expireTime : time;
  insert(agenda, { at, what: "lot", number }, compareAppointments);
}

/** At one instant claims take, then holds end, then lots expire, each in the order of their numbers. */
function compareAppointments(a: Appointment, b: Appointment): number {
  return order(a.at, b.at) || RANKS[a.what] - RANKS[b.what] || order(a.number, b.number);
}

const RANKS = { claim: 0, hold: 1, lot: 2 };
