import { type Account, laterOf } from "./account.ts";
import { afterTaking, claimedOf, claimEntry, claimOn, type Revocation } from "./claim.ts";
import { repay } from "./debt.ts";
import { type Entry, nextEntry } from "./entry.ts";
import { compareHoldsByExpiry, heldBy, type Hold, isHoldDue, isOpenHold } from "./hold.ts";
import { contentOf, type Draft, SYSTEM_CAUSE } from "./journal.ts";
import { uncount } from "./limit.ts";
import {
  type Allocation,
  isDue,
  type Lot,
  type Move,
  sumPoints,
  takeFrozenPoints,
  takePoints,
  unfreezePoints,
} from "./lot.ts";
import type { AccountState, Recent } from "./state.ts";
import type { Micros } from "./time.ts";

/** The most lots of an EXPIRE entry that the ledger makes by itself. */
export const EXPIRE_MAX_LOTS = 500;

/** The outcome of booking what is due. */
export type Booked = {
  readonly state: AccountState;
  /** The new entries, in order. */
  readonly entries: readonly Entry[];
  /** The work that it was: 1 a lot of an entry, and 1 for an entry about no lots. */
  readonly size: number;
  /** Whether nothing more is due. */
  readonly isAll: boolean;
};

/**
 * Books what is due (expired holds and lots) in the order of its instants. At each instant come
 * first the holds, by number, a RELEASE entry each, with a REVOKE entry after it for each lot whose
 * claim takes what came back; then the lots, by number, in EXPIRE entries of
 * at most `EXPIRE_MAX_LOTS`. An entry's time is its instant, and it names no caller. So the journal
 * is the same whether a command, the sweeper, or somebody a year later books it.
 *
 * An expired lot that gets points back expires again at that same instant. What a command gave back
 * to a lot with an open claim is taken first.
 *
 * @param now the account's time: see `timeOf`
 * @param state if not all due lots are loaded, booking stops before the first entry that might lack one
 * @param maxSize booking stops after the entry that reaches this size; another batch books the rest
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
  const end = endOfLots(state);
  takeForClaims(ledger, [...state.revoked.keys()], state.account.updateTime);
  for (const instant of [...new Set([...holdsAt.keys(), ...lotsAt.keys()])].toSorted(ascending)) {
    const pastTime = new Set(lotsAt.get(instant));
    for (const hold of holdsAt.get(instant) ?? []) {
      if (ledger.size >= maxSize) return closeLedger(state, ledger, false);
      releaseAt(ledger, hold, instant);
      takeForClaims(ledger, lotsOf(hold), instant);
      for (const { lot } of hold.allocations) {
        if (isDue(ledger.lots.get(lot)!, instant)) pastTime.add(lot);
      }
    }
    const isEnd = instant === end?.instant;
    for (const lots of expiring(ledger, pastTime, isEnd ? end.number : undefined)) {
      if (ledger.size >= maxSize) return closeLedger(state, ledger, false);
      expireAt(ledger, lots, instant);
    }
    if (isEnd) return closeLedger(state, ledger, false);
  }
  return closeLedger(state, ledger, true);
}

/**
 * Counts the due holds and lots, and the lots that got back what is claimed of them. They make none
 * only if 0.
 */
export function countDue({ holds, lots, revoked }: AccountState, now: Micros): number {
  let count = 0;
  for (const hold of holds) if (isHoldDue(hold, now)) count += 1;
  for (const lot of lots) {
    if (lot.remaining > 0n && (isDue(lot, now) || claimOn(revoked, lot.number) > 0n)) count += 1;
  }
  return count;
}

/**
 * The account's clock: a lower bound of the next instant at which something of it falls due; null:
 * nothing will. A bound may be too early, for what was to fall due may have been spent since.
 */
export function dueTimeOf({ lots, holds, otherDueTime }: AccountState): Micros | null {
  let first = otherDueTime;
  for (const { remaining, expireTime } of lots) {
    if (remaining > 0n && expireTime !== null) first = earlierOf(first, expireTime);
  }
  for (const hold of holds) if (isOpenHold(hold)) first = earlierOf(first, hold.expireTime);
  return first;
}

function earlierOf(a: Micros | null, b: Micros): Micros {
  return a === null || b < a ? b : a;
}

// Lots and holds by number, changed in place: a batch books hundreds of entries, and the cost of
// each must depend on its own lots alone.
type OpenLedger = {
  account: Account;
  recent: Recent | undefined;
  repaidUntil: Micros | null;
  policies: AccountState["policies"];
  readonly lots: Map<bigint, Lot>;
  readonly holds: Map<bigint, Hold>;
  readonly revoked: Map<bigint, Revocation>;
  readonly entries: Entry[];
  size: number;
};

function openLedger({ lots, holds, revoked, ...state }: AccountState): OpenLedger {
  const { account, recent, repaidUntil, policies } = state;
  return {
    policies,
    account,
    recent,
    repaidUntil,
    // A map keeps the order in which its keys were added: burn order.
    lots: new Map(lots.map((lot) => [lot.number, lot])),
    holds: new Map(holds.map((hold) => [hold.number, hold])),
    revoked: new Map(revoked),
    entries: [],
    size: 0,
  };
}

function closeLedger(state: AccountState, ledger: OpenLedger, isAll: boolean): Booked {
  const { account, recent, repaidUntil, policies, lots, holds, revoked, entries, size } = ledger;
  const booked = {
    account,
    recent,
    repaidUntil,
    policies,
    lots: [...lots.values()],
    holds: [...holds.values()],
    revoked,
  };
  return { state: { ...state, ...booked }, entries, size, isAll };
}

/** Due holds by instant, each list in the order of numbers. */
function dueHoldsByInstant({ account, holds }: AccountState, now: Micros) {
  const due = holds.filter((hold) => isHoldDue(hold, now)).toSorted(compareHoldsByExpiry);
  return Map.groupBy(due, ({ expireTime }) => laterOf(expireTime, account.updateTime));
}

/**
 * The numbers of all expired lots by instant. For what was due before the last entry the instant is
 * that entry's time, because a batch stopped there that had booked all that it may.
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
  const { number, allocations, member } = hold;
  const { account, repaidUntil, revoked, lots } = ledger;
  const lotOf = (lot: bigint) => lots.get(lot)!;
  const debtor = { debt: account.debt, repaidUntil, revoked, lotOf, now: instant };
  const back = repay(debtor, allocations);
  for (const part of back.kept) moveLot(ledger, part, unfreezePoints);
  for (const part of back.spent) moveLot(ledger, part, takeFrozenPoints);
  ledger.repaidUntil = back.repaidUntil;
  ledger.holds.set(number, { ...hold, status: "expired" });
  const { kept, repaid } = back;
  const points = heldBy(hold);
  const counted = { counted: number, now: instant };
  ledger.policies = uncount(ledger.policies, { ...hold, points }, counted);
  const about = { repaid, refersTo: number, member };
  write(ledger, { kind: "release", points, allocations: kept, ...about }, instant);
}

/** Claims take what came back to these lots, by number. */
function takeForClaims(ledger: OpenLedger, lots: readonly bigint[], instant: Micros): void {
  const { revoked } = ledger;
  if (revoked.size === 0) return;
  for (const lot of [...new Set(lots)].toSorted(ascending)) {
    const { remaining } = ledger.lots.get(lot)!;
    const points = claimedOf(revoked, { lot, points: remaining });
    if (points === 0n) continue;
    moveLot(ledger, { lot, points }, takePoints);
    revoked.set(lot, afterTaking(revoked.get(lot)!, points));
    write(ledger, claimEntry({ lot, points }), instant);
  }
}

function lotsOf({ allocations }: Hold): readonly bigint[] {
  return allocations.map(({ lot }) => lot);
}

/** The loaded lot after which others may be missing, and the instant of its booking. */
function endOfLots({ account, lots, lastDueLot }: AccountState) {
  const last = lots.find(({ number }) => number === lastDueLot);
  if (last === undefined) return undefined;
  return { instant: laterOf(last.expireTime!, account.updateTime), number: last.number };
}

/**
 * The lots that have points remaining, split into the lots of one entry each.
 *
 * @param end lots from this number on may be missing: only full entries of those before
 */
function expiring({ lots }: OpenLedger, numbers: ReadonlySet<bigint>, end?: bigint): Lot[][] {
  const remaining = [...numbers]
    .filter((number) => end === undefined || number < end)
    .map((number) => lots.get(number)!)
    .filter((lot) => lot.remaining > 0n)
    .toSorted((a, b) => ascending(a.number, b.number));
  const entries = remaining.length / EXPIRE_MAX_LOTS;
  const count = end === undefined ? Math.ceil(entries) : Math.floor(entries);
  return Array.from({ length: count }, (_, index) =>
    remaining.slice(index * EXPIRE_MAX_LOTS, (index + 1) * EXPIRE_MAX_LOTS),
  );
}

function expireAt(ledger: OpenLedger, lots: readonly Lot[], instant: Micros): void {
  const allocations = lots.map(({ number, remaining }) => ({ lot: number, points: remaining }));
  for (const part of allocations) moveLot(ledger, part, takePoints);
  write(ledger, { kind: "expire", points: sumPoints(allocations), allocations }, instant);
}

function moveLot({ lots }: OpenLedger, { lot: number, points }: Allocation, move: Move): void {
  const lot = lots.get(number);
  if (lot === undefined) throw new Error(`lot ${number} of a hold that is due is not loaded`);
  lots.set(number, { ...lot, ...move(lot, points) });
}

function write(ledger: OpenLedger, draft: Draft, instant: Micros): void {
  const { entry, account } = nextEntry(ledger, contentOf(draft, SYSTEM_CAUSE), instant);
  ledger.account = account;
  ledger.recent = { entry, before: ledger.recent };
  ledger.entries.push(entry);
  ledger.size += Math.max(1, draft.allocations.length);
}

/** The order in which an account's due lots are booked: by instant, then by number. */
export function compareDueLots({ updateTime }: Account): (a: Lot, b: Lot) => number {
  const instant = ({ expireTime }: Lot) => laterOf(expireTime!, updateTime);
  return (a, b) => ascending(instant(a), instant(b)) || ascending(a.number, b.number);
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
