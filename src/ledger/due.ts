import type { Account } from "./account.ts";
import {
  addLot,
  type Agenda,
  dueInstant,
  type Mode,
  nextAllowance,
  nextStep,
  openAgenda,
  type Step,
} from "./agenda.ts";
import { givingOf, hasRoomFor, isOwed, quietLotsOf } from "./allowance.ts";
import { claimOn } from "./claim.ts";
import type { Entry } from "./entry.ts";
import { type Hold, isHoldDue, isOpenHold } from "./hold.ts";
import { isDue, type Lot } from "./lot.ts";
import {
  closeLedger,
  expireAt,
  giveAt,
  type OpenLedger,
  openLedger,
  releaseAt,
  takeForClaims,
  withoutClosedLots,
} from "./open-ledger.ts";
import { type AccountState, countOpenLots } from "./state.ts";
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

/** How what is due is booked. */
type Booking = {
  /** By default somebody visits the account. */
  readonly mode?: Mode;
  /** Booking stops after the entry that reaches this size; another batch books the rest. */
  readonly maxSize?: number;
};

/**
 * Books what is due in the order of its instants. At each instant come first the holds, by number, a
 * RELEASE entry each, with a REVOKE entry after it for each lot whose claim takes what came back; then
 * the lots, by number, in EXPIRE entries of at most `EXPIRE_MAX_LOTS`; then the allowances, by name, a
 * RECHARGE entry each. An entry's time is its instant, and it names no caller. So the journal is the
 * same whether a command, the sweeper, or somebody a year later books it; what is quiet may leave no
 * entry until then, as `Mode` says.
 *
 * An expired lot that gets points back expires again at that same instant. What a command gave back
 * to a lot with an open claim is taken first.
 *
 * @param now the account's time: see `timeOf`
 * @param state if not all due lots are loaded, booking stops before the first entry that might lack one
 */
export function bookDue(
  state: AccountState,
  now: Micros,
  { mode = "visit", maxSize = Number.POSITIVE_INFINITY }: Booking = {},
): Booked {
  const before = withoutClosedLots(state);
  if (countDue(before, now, mode) === 0) {
    return { state: before, entries: [], size: 0, isAll: true };
  }
  const ledger = openLedger(before);
  const agenda = openAgenda(before, ledger, now, mode);
  const end = endOfLots(before);
  takeForClaims(ledger, [...state.revoked.keys()], state.account.updateTime);
  let isAll = true;
  for (let step = nextStep(ledger, agenda); step !== undefined; step = nextStep(ledger, agenda)) {
    isAll = bookStep(ledger, agenda, { ...step, end, maxSize });
    if (!isAll) break;
  }
  const { entries, size } = ledger;
  return { state: closeLedger(before, ledger), entries, size, isAll };
}

/** Books all of an instant; false: more than may be. */
function bookStep(
  ledger: OpenLedger,
  agenda: Agenda,
  step: Step & { readonly end: End | undefined; readonly maxSize: number },
): boolean {
  const { instant, end, maxSize } = step;
  if (end !== undefined && instant > end.instant) return false;
  const pastTime = new Set(agenda.lotsAt.get(instant));
  for (const hold of agenda.holdsAt.get(instant) ?? []) {
    if (ledger.size >= maxSize) return false;
    releaseAt(ledger, hold, instant);
    takeForClaims(ledger, lotsOf(hold), instant);
    for (const { lot } of hold.allocations) {
      if (isDue(ledger.lots.get(lot)!, instant)) pastTime.add(lot);
    }
  }
  agenda.holdsAt.delete(instant);
  const isEnd = instant === end?.instant;
  for (const lots of expiring(ledger, pastTime, isEnd ? end.number : undefined)) {
    if (ledger.size >= maxSize) return false;
    expireAt(ledger, lots, instant);
  }
  if (isEnd) return false;
  for (;;) {
    const allowance = nextAllowance(ledger, agenda, step);
    if (allowance === undefined) return true;
    if (ledger.size >= maxSize) return false;
    const lot = giveAt(ledger, allowance, instant);
    if (lot !== undefined) addLot(ledger, agenda, { lot, allowance: allowance.rule });
  }
}

/**
 * Counts what is due: holds, lots, lots that got back what is claimed of them, and allowances. They
 * make no entries only if it is 0.
 */
export function countDue(state: AccountState, now: Micros, mode: Mode = "visit"): number {
  const { account, holds, lots, revoked, policies } = state;
  const quiet = mode === "sweep" ? quietLotsOf(policies) : NONE;
  let count = 0;
  for (const hold of holds) if (isHoldDue(hold, now)) count += 1;
  for (const lot of lots) {
    if (lot.remaining === 0n) continue;
    const wakes = isDue(lot, now) && !quiet.has(lot.number);
    if (wakes || claimOn(revoked, lot.number) > 0n) count += 1;
  }
  for (const { rule, next } of givingOf(policies)) {
    if (next.time <= now && (mode !== "sweep" || isOwed(rule, account.debt))) count += 1;
  }
  return count;
}

/**
 * The account's clock: a lower bound of the next instant at which something of it falls due that
 * wakes it; null: nothing will. A bound may be too early, for what was to fall due may have been spent
 * since. While an account has no room for what an allowance owes, that wakes nobody.
 *
 * @param mode who watches sees what is quiet too
 */
export function dueTimeOf(state: AccountState, mode: "sweep" | "watch" = "sweep"): Micros | null {
  const { account, lots, holds, policies, otherDueTime } = state;
  const quiet = mode === "sweep" ? quietLotsOf(policies) : NONE;
  let first = otherDueTime;
  for (const { number, remaining, expireTime } of lots) {
    if (remaining === 0n || expireTime === null || quiet.has(number)) continue;
    first = earlierOf(first, expireTime);
  }
  for (const hold of holds) if (isOpenHold(hold)) first = earlierOf(first, hold.expireTime);
  if (policies.length === 0) return first;
  const room = { account, openLots: countOpenLots(state) };
  for (const { rule, next } of givingOf(policies)) {
    if (mode === "sweep" && !isOwed(rule, account.debt)) continue;
    if (hasRoomFor(rule, room)) first = earlierOf(first, next.time);
  }
  return first;
}

const NONE: ReadonlySet<bigint> = new Set();

function earlierOf(a: Micros | null, b: Micros): Micros {
  return a === null || b < a ? b : a;
}

function lotsOf({ allocations }: Hold): readonly bigint[] {
  return allocations.map(({ lot }) => lot);
}

/** The loaded lot after which others may be missing, and the instant of its booking. */
type End = { readonly instant: Micros; readonly number: bigint };

function endOfLots({ account, lots, lastDueLot }: AccountState): End | undefined {
  const last = lots.find(({ number }) => number === lastDueLot);
  if (last === undefined) return undefined;
  return { instant: dueInstant(last.expireTime!, account), number: last.number };
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

/** The order in which an account's due lots are booked: by instant, then by number. */
export function compareDueLots(account: Account): (a: Lot, b: Lot) => number {
  const instant = ({ expireTime }: Lot) => dueInstant(expireTime!, account);
  return (a, b) => ascending(instant(a), instant(b)) || ascending(a.number, b.number);
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
