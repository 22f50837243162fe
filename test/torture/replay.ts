import type { PricedUsage } from "../../gen/points/v1/prices_pb.ts";

// The rules of the ledger once more, for the checker: an account as it is after each of its
// entries; decide.ts says what operations come to. They share nothing with src/. The model in
// test/support/model.ts is more naive, and too slow for millions of operations; replay.test.ts
// compares the two.

/** So many points of a lot. */
export type Part = { readonly lot: bigint; readonly points: bigint };

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
  balance: bigint;
  frozen: bigint;
  totalRecharged: bigint;
  totalConsumed: bigint;
  totalExpired: bigint;
  totalRefunded: bigint;
  /** By number, or by sequence: all that there ever were. */
  readonly lots: Table<ReplayedLot>;
  readonly holds: Table<ReplayedHold>;
  readonly spends: Table<Spend>;
  readonly kinds: Table<string>;
  /** The lots with points, spendable or frozen. */
  readonly openLots: Set<ReplayedLot>;
  readonly openHolds: Set<ReplayedHold>;
  /** What `stepsOf` found, until the next entry. */
  steps: readonly Step[] | undefined;
};

type Table<T> = Pick<Map<bigint, T>, "get" | "set">;

/** How an account will be from an instant on, until the next step, if nobody touches it. */
export type Step = {
  readonly from: bigint;
  /** With all booked that is due by then. */
  readonly balance: bigint;
  /** What `booked` made of it. */
  booked: Replayed | undefined;
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

/** The end of the year 9999. */
export const LAST_INSTANT = 253_402_300_799_999_999n;

/** An account that was only made. */
export function emptyReplay(): Replayed {
  return {
    sequence: 0n,
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
    openHolds: new Set(),
    steps: undefined,
  };
}

/** The account with all booked that is due at a step; a copy, if anything is. */
export function booked(account: Replayed, step: Step): Replayed {
  if (step.booked !== undefined) return step.booked;
  if (dueDraft(account, step.from) === undefined) return account;
  const copy = copyToBook(account);
  for (let due; (due = dueDraft(copy, step.from)) !== undefined;) append(copy, due);
  return (step.booked = copy);
}

/** The entry that the ledger has to write by itself at this instant, if something is due. */
export function dueDraft(account: Replayed, now: bigint): Draft | undefined {
  const holds = [...account.openHolds].filter(({ expireTime }) => expireTime <= now);
  holds.sort((a, b) => order(a.expireTime, b.expireTime) || order(a.number, b.number));
  if (holds[0] !== undefined) return releaseOf(holds[0], "expired");
  const parts = burnOrder(account)
    .filter((lot) => isPast(lot, now))
    .map((lot) => ({ lot: lot.number, points: lot.remaining }));
  return parts.length === 0 ? undefined : takeAway("expire", parts);
}

/** How an account will go on as time passes; the first step is how it is. */
export function stepsOf(account: Replayed): readonly Step[] {
  if (account.steps !== undefined) return account.steps;
  const changes: { at: bigint; points: bigint }[] = [];
  for (const { expireTime, remaining } of account.openLots) {
    if (expireTime !== undefined) changes.push({ at: expireTime, points: -remaining });
  }
  for (const { expireTime: at, parts } of account.openHolds) {
    changes.push({ at, points: 0n });
    for (const { lot, points } of parts) {
      const { expireTime } = account.lots.get(lot)!;
      // What comes back to a lot past its time is gone at once.
      if (expireTime !== undefined && expireTime <= at) continue;
      changes.push({ at, points });
      if (expireTime !== undefined) changes.push({ at: expireTime, points: -points });
    }
  }
  let { balance } = account;
  const steps: Step[] = [{ from: 0n, balance, booked: undefined }];
  for (const { at, points } of changes.toSorted((a, b) => order(a.at, b.at))) {
    balance += points;
    if (steps.at(-1)!.from === at) steps.pop();
    steps.push({ from: at, balance, booked: undefined });
  }
  return (account.steps = steps);
}

/** Writes the entry: the account is then as it left it. */
export function append(account: Replayed, draft: Draft): void {
  draft.change(account);
  account.sequence += 1n;
  account.kinds.set(account.sequence, draft.kind);
  account.steps = undefined;
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
  lot.remaining += remaining;
  lot.frozen += frozen;
  if (lot.remaining > 0n || lot.frozen > 0n) account.openLots.add(lot);
  else account.openLots.delete(lot);
}

/** A new lot. */
export function addLot(account: Replayed, lot: ReplayedLot): void {
  account.lots.set(lot.number, lot);
  account.openLots.add(lot);
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

/** The lots with points that can be spent, in the order in which they are. */
export function burnOrder({ openLots }: Replayed): ReplayedLot[] {
  return inBurnOrder([...openLots].filter(({ remaining }) => remaining > 0n));
}

/** Lots in the order in which they burn: never is the last time of all. */
export function inBurnOrder(lots: readonly ReplayedLot[]): ReplayedLot[] {
  const never = LAST_INSTANT + 1n;
  return lots.toSorted(
    (a, b) =>
      a.priority - b.priority ||
      order(a.expireTime ?? never, b.expireTime ?? never) ||
      order(a.number, b.number),
  );
}

/** How many points these are. */
export function totalOf(parts: readonly Part[]): bigint {
  return parts.reduce((sum, { points }) => sum + points, 0n);
}

/** Whether the lot's time has come. */
export function isPast({ expireTime }: ReplayedLot, now: bigint): boolean {
  return expireTime !== undefined && expireTime <= now;
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A copy of what booking changes, on top of the rest: open lots and holds. A lot that points of a
 * hold come back to is open as well.
 */
function copyToBook(account: Replayed): Replayed {
  const lots = new Map([...account.openLots].map((lot) => [lot.number, { ...lot }]));
  const holds = new Map([...account.openHolds].map((hold) => [hold.number, { ...hold }]));
  return {
    ...account,
    lots: onTopOf(account.lots, lots),
    holds: onTopOf(account.holds, holds),
    kinds: onTopOf(account.kinds, new Map<bigint, string>()),
    openLots: new Set(lots.values()),
    openHolds: new Set(holds.values()),
    steps: undefined,
  };
}

function onTopOf<T extends object | string>(below: Table<T>, top: Map<bigint, T>): Table<T> {
  return { get: (key) => top.get(key) ?? below.get(key), set: (key, value) => top.set(key, value) };
}
