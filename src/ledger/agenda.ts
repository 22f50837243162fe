import { type Account, laterOf } from "./account.ts";
import { hasRoomFor, isOwed, nextAlive } from "./allowance.ts";
import { compareHoldsByExpiry, type Hold, isHoldDue } from "./hold.ts";
import type { Lot } from "./lot.ts";
import type { OpenAllowance, OpenLedger } from "./open-ledger.ts";
import type { Allowance } from "./policy.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";

/**
 * For whom what is due is booked. Holds' ends, the expiry of lots and what allowances owe wake the
 * account: they happen in each case. Of what is quiet, which are an allowance's other periods and the
 * expiry of what they gave, a sweep books only what comes before something that wakes, since entries
 * are in the order of time; a visit books all that lives to see it; and who watches sees each
 * instant as if somebody came at it.
 */
export type Mode = "sweep" | "visit" | "watch";

/** What is due of an account, by instant. */
export type Agenda = {
  readonly mode: Mode;
  readonly now: Micros;
  readonly holdsAt: Map<Micros, readonly Hold[]>;
  /** The numbers of all expired lots, whatever they still have. */
  readonly lotsAt: Map<Micros, bigint[]>;
  /** The instants of holds and lots that wake, the last one first. */
  readonly waking: Micros[];
  /** The instants of quiet lots, the last one first. */
  readonly quiet: Micros[];
};

/** What is booked next: all of one instant. */
export type Step = {
  readonly instant: Micros;
  /** The next instant that wakes, or now, if it is a visit: what is quiet must live to see it. */
  readonly until: Micros;
  readonly isVisit: boolean;
};

/** Looks for what is due by `now`. In a watch it makes the ledger's quiet lots wake as all others. */
export function openAgenda(
  state: AccountState,
  ledger: OpenLedger,
  now: Micros,
  mode: Mode,
): Agenda {
  if (mode === "watch") ledger.quietLots.clear();
  const holdsAt = dueHoldsByInstant(state, now);
  const lotsAt = new Map<Micros, bigint[]>();
  const waking = new Set(holdsAt.keys());
  const quiet = new Set<Micros>();
  for (const { number, expireTime } of state.lots) {
    if (expireTime === null || expireTime > now) continue;
    const instant = dueInstant(expireTime, state.account);
    const others = lotsAt.get(instant);
    if (others === undefined) lotsAt.set(instant, [number]);
    else others.push(number);
    (ledger.quietLots.has(number) ? quiet : waking).add(instant);
  }
  return { mode, now, holdsAt, lotsAt, waking: latestFirst(waking), quiet: latestFirst(quiet) };
}

/**
 * The instant at which something is booked that was due before: for what was due before the last
 * entry it is that entry's time, because a batch stopped there that had booked all that it may.
 */
export function dueInstant(due: Micros, { updateTime }: Account): Micros {
  return laterOf(due, updateTime);
}

/** The next instant at which something is to be booked; undefined: there is none. */
export function nextStep(ledger: OpenLedger, agenda: Agenda): Step | undefined {
  const event = nextEvent(ledger, agenda);
  const isVisit = event === undefined;
  if (isVisit && agenda.mode !== "visit") return undefined;
  const until = event ?? agenda.now;
  let instant = event;
  // A hold that ends first may give points back to a lot that has none now.
  const isLater = (at: Micros) => event !== undefined && at >= event;
  const expiry = firstOf(
    agenda.quiet,
    (at) => isLater(at) || hasPoints(ledger, agenda.lotsAt.get(at)),
  );
  if (expiry !== undefined) instant = earlierOf(instant, expiry);
  for (const allowance of ledger.allowances) {
    if (wakes(ledger, agenda, allowance)) continue;
    const start = nextTime(ledger, allowance, until);
    if (start !== undefined && start <= until) instant = earlierOf(instant, start);
  }
  return instant === undefined ? undefined : { instant, until, isVisit };
}

/**
 * The allowance that gives points next at this instant, by name; undefined: none does. At an instant
 * that wakes, quiet ones wait for whom comes next, but for those before the last that is owed.
 */
export function nextAllowance(
  ledger: OpenLedger,
  agenda: Agenda,
  { instant, until, isVisit }: Step,
): OpenAllowance | undefined {
  const { allowances } = ledger;
  const isDue = (allowance: OpenAllowance, aliveAt: Micros) => {
    const start = nextTime(ledger, allowance, aliveAt);
    return start !== undefined && start <= instant;
  };
  const isOwedNow = (allowance: OpenAllowance) =>
    wakes(ledger, agenda, allowance) && isDue(allowance, ledger.account.updateTime);
  const last = isVisit || instant < until ? Infinity : allowances.findLastIndex(isOwedNow);
  return allowances.find((allowance, index) => {
    if (index > last) return false;
    return wakes(ledger, agenda, allowance) ? isOwedNow(allowance) : isDue(allowance, until);
  });
}

/** Adds a lot that an allowance gave. */
export function addLot(
  ledger: OpenLedger,
  agenda: Agenda,
  { lot, allowance }: { readonly lot: Lot; readonly allowance: Allowance },
): void {
  const { number, expireTime } = lot;
  const isQuiet = allowance.life.kind === "periods" && agenda.mode !== "watch";
  if (isQuiet) ledger.quietLots.add(number);
  if (expireTime === null || expireTime > agenda.now) return;
  const others = agenda.lotsAt.get(expireTime);
  if (others === undefined) agenda.lotsAt.set(expireTime, [number]);
  else others.push(number);
  insert(isQuiet ? agenda.quiet : agenda.waking, expireTime);
}

function nextEvent(ledger: OpenLedger, agenda: Agenda): Micros | undefined {
  const { now, holdsAt, lotsAt, waking } = agenda;
  const isWaking = (lot: bigint) => !ledger.quietLots.has(lot);
  let first = firstOf(
    waking,
    (at) => holdsAt.has(at) || hasPoints(ledger, lotsAt.get(at)?.filter(isWaking)),
  );
  for (const allowance of ledger.allowances) {
    if (!wakes(ledger, agenda, allowance)) continue;
    const time = nextTime(ledger, allowance, ledger.account.updateTime);
    if (time !== undefined && time <= now) first = earlierOf(first, time);
  }
  return first;
}

function wakes({ account }: OpenLedger, { mode }: Agenda, { rule }: OpenAllowance): boolean {
  return mode === "watch" || isOwed(rule, account.debt);
}

/**
 * When an allowance gives points next that live at an instant; undefined: never, or not while the
 * account has no room for them. A period that had to wait for room is given as soon as there is some.
 */
function nextTime(
  ledger: OpenLedger,
  allowance: OpenAllowance,
  aliveAt: Micros,
): Micros | undefined {
  const { rule, next } = allowance;
  if (next.time === null || !hasRoomFor(rule, ledger)) return undefined;
  if (next.time < aliveAt && allowance.aliveAt < aliveAt) {
    allowance.next = nextAlive(rule, next, aliveAt);
    allowance.aliveAt = aliveAt;
  }
  const { time } = allowance.next;
  return time === null ? undefined : dueInstant(time, ledger.account);
}

function hasPoints({ lots }: OpenLedger, numbers: readonly bigint[] = []): boolean {
  return numbers.some((number) => lots.get(number)!.remaining > 0n);
}

/** Due holds by instant, each list in the order of numbers. */
function dueHoldsByInstant({ account, holds }: AccountState, now: Micros) {
  const due = holds.filter((hold) => isHoldDue(hold, now)).toSorted(compareHoldsByExpiry);
  return Map.groupBy(due, ({ expireTime }) => dueInstant(expireTime, account));
}

/** The first instant at which there is something; those before it are dropped. */
function firstOf(instants: Micros[], isThere: (at: Micros) => boolean): Micros | undefined {
  while (instants.length > 0 && !isThere(instants.at(-1)!)) instants.pop();
  return instants.at(-1);
}

function latestFirst(instants: Iterable<Micros>): Micros[] {
  return [...instants].toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0));
}

/** Inserts an instant into those that are there, unless it is one of them. */
function insert(instants: Micros[], instant: Micros): void {
  let [low, high] = [0, instants.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (instants[middle]! > instant) low = middle + 1;
    else high = middle;
  }
  if (instants[low] !== instant) instants.splice(low, 0, instant);
}

function earlierOf(a: Micros | undefined, b: Micros): Micros {
  return a === undefined || b < a ? b : a;
}
