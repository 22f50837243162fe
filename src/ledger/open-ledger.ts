import type { Account } from "./account.ts";
import {
  expiryOf,
  type Giving,
  givingOf,
  nextAlive,
  nextPeriod,
  quietLotsOf,
} from "./allowance.ts";
import { afterTaking, claimedOf, claimEntry, type Revocation } from "./claim.ts";
import { rechargeOf, repay } from "./debt.ts";
import { type Entry, nextEntry } from "./entry.ts";
import { heldBy, type Hold } from "./hold.ts";
import { contentOf, type Draft, SYSTEM_CAUSE } from "./journal.ts";
import { uncount } from "./limit.ts";
import {
  type Allocation,
  compareBurnOrder,
  isOpen,
  type Lot,
  type Move,
  sumPoints,
  takeFrozenPoints,
  takePoints,
  unfreezePoints,
} from "./lot.ts";
import type { NextPeriod, PolicyState } from "./policy.ts";
import { type AccountState, countOpenLots, type Recent } from "./state.ts";
import type { Micros } from "./time.ts";

/**
 * An account while what is due is booked: lots and holds by number, changed in place. A batch books
 * hundreds of entries, and the cost of each must depend on its own lots alone.
 */
export type OpenLedger = {
  account: Account;
  recent: Recent | undefined;
  repaidUntil: Micros | null;
  policies: readonly PolicyState[];
  /** Those that give points again, by name. */
  readonly allowances: readonly OpenAllowance[];
  readonly lots: Map<bigint, Lot>;
  readonly holds: Map<bigint, Hold>;
  readonly revoked: Map<bigint, Revocation>;
  /** The numbers of lots whose expiry wakes nobody. */
  readonly quietLots: Set<bigint>;
  /** How many lots are open, those too that are not loaded. */
  openLots: number;
  readonly entries: Entry[];
  /** The work so far: see `Booked`. */
  size: number;
};

/** An allowance, and how far it has come. */
export type OpenAllowance = Pick<Giving, "name" | "rule"> & {
  next: NextPeriod;
  /** The period after the last that was given. */
  afterGiven: NextPeriod;
  readonly given: bigint[];
  /** `next` is no period whose points have expired at this instant. */
  aliveAt: Micros;
};

/** Opens an account, to book what is due of it. */
export function openLedger(state: AccountState): OpenLedger {
  const { account, recent, repaidUntil, policies, lots, holds, revoked } = state;
  return {
    account,
    recent,
    repaidUntil,
    policies,
    allowances: givingOf(policies).map(({ name, rule, next }) => {
      return { name, rule, next, afterGiven: next, given: [], aliveAt: next.time };
    }),
    // A map keeps the order in which its keys were added: burn order.
    lots: new Map(lots.map((lot) => [lot.number, lot])),
    holds: new Map(holds.map((hold) => [hold.number, hold])),
    revoked: new Map(revoked),
    quietLots: new Set(quietLotsOf(policies)),
    openLots: policies.length === 0 ? 0 : countOpenLots(state),
    entries: [],
    size: 0,
  };
}

/** The account after what was booked. */
export function closeLedger(state: AccountState, ledger: OpenLedger): AccountState {
  const { account, recent, repaidUntil, lots, holds, revoked } = ledger;
  const allLots = [...lots.values()];
  const closed = {
    ...state,
    account,
    recent,
    repaidUntil,
    lots: lots.size > state.lots.length ? allLots.toSorted(compareBurnOrder) : allLots,
    holds: [...holds.values()],
    revoked,
  };
  if (ledger.policies.length === 0) return closed;
  const byName = new Map(ledger.allowances.map((allowance) => [allowance.name, allowance]));
  const policies = ledger.policies.map((policy) => {
    const after = byName.get(policy.name);
    if (after === undefined) return policy;
    const given = after.given.length === 0 ? policy.given : [...policy.given, ...after.given];
    const next = nextFrom(after, ledger.account.updateTime);
    return next === policy.next && given === policy.given ? policy : { ...policy, next, given };
  });
  return withoutClosedLots({ ...closed, policies });
}

/**
 * The next period of an allowance, as its row has it: no further than the account's last entry, since a
 * read at an instant after that sees what was alive then.
 */
function nextFrom(
  { rule, next, afterGiven, aliveAt }: OpenAllowance,
  lastTime: Micros,
): NextPeriod {
  return aliveAt <= lastTime ? next : nextAlive(rule, afterGiven, lastTime);
}

/**
 * Forgets of the lots that allowances gave those that are closed. It is done whenever a lot may have
 * been closed: points that come back to it later expire as those of any lot do.
 */
export function withoutClosedLots(state: AccountState): AccountState {
  const quiet = quietLotsOf(state.policies);
  if (quiet.size === 0) return state;
  const closed = new Set<bigint>();
  for (const lot of state.lots) if (quiet.has(lot.number) && !isOpen(lot)) closed.add(lot.number);
  if (closed.size === 0) return state;
  const policies = state.policies.map((policy) => {
    const given = policy.given.filter((lot) => !closed.has(lot));
    return given.length === policy.given.length ? policy : { ...policy, given };
  });
  return { ...state, policies };
}

/** A hold ends, and its points go back to their lots. */
export function releaseAt(ledger: OpenLedger, hold: Hold, instant: Micros): void {
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
export function takeForClaims(ledger: OpenLedger, lots: readonly bigint[], instant: Micros): void {
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

/** Lots expire together. */
export function expireAt(ledger: OpenLedger, lots: readonly Lot[], instant: Micros): void {
  const allocations = lots.map(({ number, remaining }) => ({ lot: number, points: remaining }));
  for (const part of allocations) moveLot(ledger, part, takePoints);
  write(ledger, { kind: "expire", points: sumPoints(allocations), allocations }, instant);
}

/** An allowance gives the points of its next period, if they live at all. */
export function giveAt(
  ledger: OpenLedger,
  allowance: OpenAllowance,
  instant: Micros,
): Lot | undefined {
  const { name, rule, next, given } = allowance;
  const expireTime = expiryOf(rule, next.period, next.time!);
  allowance.next = nextPeriod(rule, next.period + 1);
  allowance.afterGiven = allowance.next;
  if (expireTime !== null && expireTime <= instant) return undefined;
  const { points, priority, category, services } = rule;
  const made = { points, priority, expireTime, category, services };
  const { lot, entry, repaidUntil } = rechargeOf(ledger, made);
  ledger.repaidUntil = repaidUntil;
  ledger.lots.set(lot.number, lot);
  if (isOpen(lot)) {
    ledger.openLots += 1;
    if (rule.life.kind === "periods") given.push(lot.number);
  }
  write(ledger, { ...entry, cause: name }, instant);
  return lot;
}

function moveLot(ledger: OpenLedger, { lot: number, points }: Allocation, move: Move): void {
  const lot = ledger.lots.get(number);
  if (lot === undefined) throw new Error(`lot ${number} of a hold that is due is not loaded`);
  const moved = { ...lot, ...move(lot, points) };
  ledger.lots.set(number, moved);
  if (!isOpen(moved)) ledger.openLots -= 1;
}

function write(ledger: OpenLedger, draft: Draft, instant: Micros): void {
  const { entry, account } = nextEntry(ledger, contentOf(draft, SYSTEM_CAUSE), instant);
  ledger.account = account;
  ledger.recent = { entry, before: ledger.recent };
  ledger.entries.push(entry);
  ledger.size += Math.max(1, draft.allocations.length);
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
