import { type Account, laterOf } from "./account.ts";
import { type Entry, nextEntry } from "./entry.ts";
import { compareHoldsByExpiry, type Hold, isHoldDue } from "./hold.ts";
import { contentOf, type Draft, THE_LEDGER } from "./journal.ts";
import { type Allocation, isDue, type Lot, sumPoints, takeAway, thaw } from "./lot.ts";
import type { AccountState, Recent } from "./state.ts";
import type { Micros } from "./time.ts";

/** An EXPIRE entry that the ledger makes by itself has so many lots at the most. */
export const EXPIRE_MAX_LOTS = 500;

/** What was booked of what is due. */
export type Booked = {
  readonly state: AccountState;
  /** The new entries, in their order. */
  readonly entries: readonly Entry[];
  /** How much work it was: lots that an entry is about, and 1 for an entry about none. */
  readonly size: number;
  /** Whether nothing more is due. */
  readonly isAll: boolean;
};

/**
 * Books what is due by itself, in the order of its instants: at each first the holds, by number, a
 * RELEASE entry each; then the lots, by number, in EXPIRE entries of at most `EXPIRE_MAX_LOTS`. An
 * entry's time is its instant, and no caller is written on it: so the journal is the same whenever
 * it is booked, by a command, by the sweeper, or a year later.
 *
 * A lot past its time that gets points back expires again at that very instant.
 *
 * @param now the account's time: see `timeOf`
 * @param maxSize it stops after the entry that reaches this size; the rest is for another batch
 */
export function bookDue(
  state: AccountState,
  now: Micros,
  maxSize = Number.POSITIVE_INFINITY,
): Booked {
  if (countDue(state, now) === 0) return { state, entries: [], size: 0, isAll: true };
  const ledger = openLedger(state);
  const holdsAt = dueHoldsByInstant(state, now);
  const lotsAt = lotsByInstant(state, now);
  for (const instant of [...new Set([...holdsAt.keys(), ...lotsAt.keys()])].toSorted(ascending)) {
    const pastTime = new Set(lotsAt.get(instant));
    for (const hold of holdsAt.get(instant) ?? []) {
      if (ledger.size >= maxSize) return closeLedger(state, ledger, false);
      releaseAt(ledger, hold, instant);
      for (const { lot } of hold.allocations) {
        if (isDue(ledger.lots.get(lot)!, instant)) pastTime.add(lot);
      }
    }
    for (const lots of expiring(ledger, pastTime)) {
      if (ledger.size >= maxSize) return closeLedger(state, ledger, false);
      expireAt(ledger, lots, instant);
    }
  }
  return closeLedger(state, ledger, true);
}

/** How many holds and lots are due: as many entries or fewer, and 0 only if nothing is. */
export function countDue({ holds, lots }: AccountState, now: Micros): number {
  let count = 0;
  for (const hold of holds) if (isHoldDue(hold, now)) count += 1;
  for (const lot of lots) if (lot.remaining > 0n && isDue(lot, now)) count += 1;
  return count;
}

// Lots and holds by their numbers, to be changed in place: a batch books hundreds of entries, and
// each must cost no more than what it is about.
type OpenLedger = {
  account: Account;
  recent: Recent | undefined;
  readonly lots: Map<bigint, Lot>;
  readonly holds: Map<bigint, Hold>;
  readonly entries: Entry[];
  size: number;
};

function openLedger({ account, recent, lots, holds }: AccountState): OpenLedger {
  return {
    account,
    recent,
    // A map keeps the order in which its keys came: burn order.
    lots: new Map(lots.map((lot) => [lot.number, lot])),
    holds: new Map(holds.map((hold) => [hold.number, hold])),
    entries: [],
    size: 0,
  };
}

function closeLedger(state: AccountState, ledger: OpenLedger, isAll: boolean): Booked {
  const { account, recent, lots, holds, entries, size } = ledger;
  const booked = { account, recent, lots: [...lots.values()], holds: [...holds.values()] };
  return { state: { ...state, ...booked }, entries, size, isAll };
}

/** Each list by number. */
function dueHoldsByInstant({ account, holds }: AccountState, now: Micros) {
  const due = holds.filter((hold) => isHoldDue(hold, now)).toSorted(compareHoldsByExpiry);
  return Map.groupBy(due, ({ expireTime }) => laterOf(expireTime, account.updateTime));
}

/**
 * The numbers of all lots past their time; of what was due before the last entry, that entry's time
 * is the instant: there a batch stopped that booked as much as it may.
 */
function lotsByInstant({ account, lots }: AccountState, now: Micros): Map<Micros, bigint[]> {
  const byInstant = new Map<Micros, bigint[]>();
  for (const { number, expireTime } of lots) {
    if (expireTime === null || expireTime > now) continue;
    const instant = laterOf(expireTime, account.updateTime);
    const others = byInstant.get(instant);
    if (others === undefined) byInstant.set(instant, [number]);
    else others.push(number);
  }
  return byInstant;
}

function releaseAt(ledger: OpenLedger, hold: Hold, instant: Micros): void {
  const { number, points, allocations } = hold;
  for (const part of allocations) moveLot(ledger, part, thaw);
  ledger.holds.set(number, { ...hold, status: "expired" });
  write(ledger, { kind: "release", points, allocations, refersTo: number }, instant);
}

/** What remains of these lots, for one entry after the other. */
function expiring({ lots }: OpenLedger, numbers: ReadonlySet<bigint>): Lot[][] {
  const remaining = [...numbers]
    .map((number) => lots.get(number)!)
    .filter((lot) => lot.remaining > 0n)
    .toSorted((a, b) => ascending(a.number, b.number));
  const count = Math.ceil(remaining.length / EXPIRE_MAX_LOTS);
  return Array.from({ length: count }, (_, index) =>
    remaining.slice(index * EXPIRE_MAX_LOTS, (index + 1) * EXPIRE_MAX_LOTS),
  );
}

function expireAt(ledger: OpenLedger, lots: readonly Lot[], instant: Micros): void {
  const allocations = lots.map(({ number, remaining }) => ({ lot: number, points: remaining }));
  for (const part of allocations) moveLot(ledger, part, takeAway);
  write(ledger, { kind: "expire", points: sumPoints(allocations), allocations }, instant);
}

function moveLot({ lots }: OpenLedger, { lot: number, points }: Allocation, move: typeof thaw) {
  const lot = lots.get(number);
  if (lot === undefined) throw new Error(`lot ${number} of a hold that is due is not loaded`);
  lots.set(number, { ...lot, ...move(lot, points) });
}

function write(ledger: OpenLedger, draft: Draft, instant: Micros): void {
  const { entry, account } = nextEntry(ledger, contentOf(draft, THE_LEDGER), instant);
  ledger.account = account;
  ledger.recent = { entry, before: ledger.recent };
  ledger.entries.push(entry);
  ledger.size += Math.max(1, draft.allocations.length);
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
