import type { Mutation, Shortfall } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { CalendarUnit, Limit } from "../../src/ledger/policy.ts";
import type { Micros } from "../../src/ledger/time.ts";
import * as ada from "./commands.ts";
import type { Random } from "./random.ts";

// Random spending under limits, and what limits must have counted: naively, by adding up the entries
// of a window. What window an instant is in, the calendar of Intl says.

export const MEMBERS = ["", "bob", "eve"] as const;
export const SERVICES = [null, "tts", "ocr"] as const;
const NAMES = ["a", "b", "c"] as const;
const ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] as const;
const MINUTE = 60_000_000n;

/** How much later the next command is: mostly soon, sometimes days, often just at a full half hour. */
export function randomLater(random: Random, now: Micros): Micros {
  const some = BigInt(random.below(60_000_000));
  switch (random.weighted({ none: 3, soon: 6, hours: 3, days: 1, sharp: 4 })) {
    case "none":
      return 0n;
    case "soon":
      return some;
    case "hours":
      return MINUTE * BigInt(random.below(24 * 60)) + some;
    case "days":
      return MINUTE * BigInt(random.below(40 * 24 * 60)) + some;
    // All midnights of these zones are at a full half hour.
    case "sharp": {
      const sharp = 30n * MINUTE;
      return sharp - (now % sharp) - BigInt(random.below(2));
    }
  }
}

/** A random command of ada's, who never lacks points; holds and entries are those of her journal. */
export function randomSpending(random: Random, journal: readonly Entry[]): Mutation {
  const points = BigInt(random.whole(1, 30));
  const service = random.pick(SERVICES);
  const cost = random.chance(0.05)
    ? ada.FREE
    : service === null
      ? points
      : ada.usageOf(service, points);
  const member = random.pick(MEMBERS);
  const onShortfall: Shortfall = random.pick(["refuse", "take", "owe"]);
  const ttl = MINUTE * BigInt(random.pick([1, 600, 3_000, 30_000]));
  const hold = sequenceOf(random, journal, ["freeze"]);
  switch (
    random.weighted({ put: 2, end: 0.3, consume: 8, freeze: 6, extend: 3, settle: 6, back: 4 })
  ) {
    case "put":
      return ada.putPolicy(random.pick(NAMES), randomLimit(random));
    case "end":
      return ada.deletePolicy(random.pick(NAMES));
    case "consume":
      return ada.by(member, { ...ada.consume(cost), onShortfall } as Mutation);
    case "freeze":
      return ada.by(member, ada.freeze(cost, ttl));
    case "extend":
      return ada.extendHold(hold, { more: points });
    case "settle": {
      const settled = ada.settle(hold, random.chance(0.2) ? undefined : points);
      return { ...settled, onShortfall, keepOpen: random.chance(0.2) } as Mutation;
    }
    case "back": {
      if (random.chance(0.4)) return ada.release(hold);
      const spent = sequenceOf(random, journal, ["consume", "settle"]);
      return ada.refund(spent, random.chance(0.5) ? undefined : points);
    }
  }
}

function sequenceOf(random: Random, journal: readonly Entry[], kinds: readonly string[]): bigint {
  const found = journal.filter(({ kind }) => kinds.includes(kind)).slice(-6);
  return found.length === 0 ? 1n : random.pick(found).sequence;
}

function randomLimit(random: Random): Limit {
  const unit = random.pick<CalendarUnit>(["day", "day", "week", "month"]);
  const timeZone = random.pick(ZONES);
  const eachMember = random.chance(0.3);
  return {
    kind: "limit",
    points: BigInt(random.pick([0, 20, 40, 60, 120])),
    window: random.chance(0.15) ? { kind: "total" } : { kind: "calendar", unit, timeZone },
    eachMember,
    member: eachMember ? "" : random.pick(MEMBERS),
    service: random.pick(SERVICES) ?? "",
  };
}

/** A limit, and the SET_POLICY entry from which it counts. */
type Standing = { readonly name: string; readonly limit: Limit; readonly from: bigint };

/** The limits that a journal leaves, by name. */
export function standingLimits(journal: readonly Entry[]): readonly Standing[] {
  const limits = new Map<string, Standing>();
  for (const { policy, sequence } of journal) {
    if (policy === null || (policy.rule !== null && policy.rule.kind !== "limit")) continue;
    const { name, rule: limit } = policy;
    const before = limits.get(name);
    const goesOn = limit !== null && before !== undefined && isLike(before.limit, limit);
    if (limit === null) limits.delete(name);
    else limits.set(name, { name, limit, from: goesOn ? before.from : sequence });
  }
  return [...limits.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function isLike(a: Limit, b: Limit): boolean {
  const text = (limit: Limit) => JSON.stringify({ ...limit, points: "" });
  return text(a) === text(b);
}

type Spender = { readonly member: string; readonly service: string | null };

/** Whether a limit binds a spender; and what it has counted of them, in the window of `now`. */
export function naiveCount(
  journal: readonly Entry[],
  { limit, from }: Standing,
  { spender, now }: { readonly spender: Spender; readonly now: Micros },
): bigint | undefined {
  if (!binds(limit, spender)) return undefined;
  const bySequence = new Map(journal.map((entry) => [entry.sequence, entry]));
  const counted = journal
    .filter(({ sequence, time }) => sequence > from && isSameWindow(limit, time, now))
    .flatMap((entry) => movesOf(entry, bySequence))
    .filter((move) => binds(limit, move))
    .filter((move) => !limit.eachMember || move.member === spender.member);
  const since = counted.find((move) => move.spent > 0n)?.sequence;
  let sum = 0n;
  for (const move of counted) {
    sum += move.spent;
    if (since !== undefined && move.of >= since) sum -= move.back < sum ? move.back : sum;
  }
  return sum;
}

function binds({ member, service, eachMember }: Limit, spender: Spender): boolean {
  if (eachMember && spender.member === "") return false;
  return ["", spender.member].includes(member) && ["", spender.service].includes(service);
}

type Move = Spender & {
  readonly sequence: bigint;
  readonly spent: bigint;
  readonly back: bigint;
  readonly of: bigint;
};

/** What an entry spends, or brings back of what the entry `of` spent. */
function movesOf(entry: Entry, bySequence: ReadonlyMap<bigint, Entry>): readonly Move[] {
  const { kind, sequence, points, refersTo, fromBalance, owed, returned } = entry;
  const about = refersTo === null ? undefined : bySequence.get(refersTo);
  switch (kind) {
    case "consume":
    case "freeze":
      return [{ ...spenderOf(entry), sequence, spent: points, back: 0n, of: sequence }];
    case "extend":
      return [{ ...spenderOf(about!), sequence, spent: points, back: 0n, of: refersTo! }];
    case "settle": {
      const spent = fromBalance + owed;
      return [
        { ...beyondOf(entry, about!), sequence, spent, back: 0n, of: sequence },
        { ...spenderOf(about!), sequence, spent: 0n, back: returned, of: refersTo! },
      ];
    }
    case "release":
      return [{ ...spenderOf(about!), sequence, spent: 0n, back: points, of: refersTo! }];
    case "refund": {
      const one = { sequence, spent: 0n };
      if (about!.kind === "consume") {
        return [{ ...one, ...spenderOf(about!), back: points, of: about!.sequence }];
      }
      if (about!.kind !== "settle") return [];
      // The last points that a settle took come back first.
      const freeze = bySequence.get(about!.refersTo!)!;
      const before = refundedBefore(entry, bySequence);
      const beyond = about!.fromBalance + about!.owed - before;
      const first = beyond <= 0n ? 0n : beyond < points ? beyond : points;
      return [
        { ...one, ...beyondOf(about!, freeze), back: first, of: about!.sequence },
        { ...one, ...spenderOf(freeze), back: points - first, of: freeze.sequence },
      ];
    }
    default:
      return [];
  }
}

function refundedBefore(refund: Entry, bySequence: ReadonlyMap<bigint, Entry>): bigint {
  return [...bySequence.values()]
    .filter(({ kind, refersTo }) => kind === "refund" && refersTo === refund.refersTo)
    .filter(({ sequence }) => sequence < refund.sequence)
    .reduce((sum, { points }) => sum + points, 0n);
}

/** Who spends beyond a hold: of one that was made by points, on what the settle says. */
function beyondOf(settle: Entry, freeze: Entry): Spender {
  const { member, service } = spenderOf(freeze);
  return { member, service: service ?? spenderOf(settle).service };
}

function spenderOf({ member, usage }: Entry): Spender {
  return { member, service: usage?.service ?? null };
}

function isSameWindow({ window }: Limit, a: Micros, b: Micros): boolean {
  if (window.kind === "total") return true;
  return windowOf(window, a) === windowOf(window, b);
}

/** The first day of a window, or what tells it from others. */
function windowOf({ unit, timeZone }: { unit: CalendarUnit; timeZone: string }, time: Micros) {
  const day = dayIn(timeZone).format(Number(time / 1000n)); // as 2026-03-29
  if (unit === "day") return day;
  if (unit === "month") return day.slice(0, 7);
  if (unit === "year") return day.slice(0, 4);
  const days = Date.parse(day) / 86_400_000;
  return Math.floor((days + 3) / 7); // 1970-01-01 was a Thursday
}

const formats = new Map<string, Intl.DateTimeFormat>();

function dayIn(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" });
  formats.set(timeZone, format);
  return format;
}
