import type {
  AskedCost,
  Command,
  Expiration,
  ExpireTarget,
  ExtendHold,
  Guarded,
  Refund,
  Revoke,
  Shortfall,
} from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { CostOrRefusal } from "../../src/ledger/prices.ts";
import {
  alerts,
  changePolicies,
  creditLine,
  isOwed,
  leftOfLimits,
  type ModelPolicy,
  type Period,
  periodsUpTo,
  type Said,
  type Spending,
} from "./model-policies.ts";

/** The model's verdict on a command; the kind and the allocations are those of its own entry. */
export type Expected =
  | { reason: string }
  | {
      kind: string | undefined;
      points: bigint;
      allocations: readonly Part[];
      debts: Debts;
      keptOpen: boolean;
      policy: Said | null;
      alerts: readonly string[];
      member: string;
      cause: string;
      /** The hold after an extend. */
      hold: { points: bigint; settled: bigint; allocations: readonly Part[] } | undefined;
      time: bigint | undefined;
      account: ModelAccount;
      replayed: boolean;
      created: boolean;
    };

type ModelAccount = {
  sequence: bigint;
  balance: bigint;
  frozen: bigint;
  totalRecharged: bigint;
  totalConsumed: bigint;
  totalExpired: bigint;
  totalRefunded: bigint;
  totalRevoked: bigint;
  debt: bigint;
};

/** What an entry says of debt. */
type Debts = { owed: bigint; uncovered: bigint; repaid: bigint; fromBalance: bigint };

const NO_DEBTS: Debts = { owed: 0n, uncovered: 0n, repaid: 0n, fromBalance: 0n };

type Shown = Omit<ModelAccount, "sequence"> & {
  next: { time: bigint; points: bigint } | undefined;
};

type Part = { lot: bigint; points: bigint };

/** An entry: its content, and the change that it made to what is left of each lot. */
type Line = {
  kind: string;
  time: bigint;
  points: bigint;
  parts: Part[];
  changes: Part[];
  frozen: bigint;
  refersTo?: bigint;
  /** Whether a claim took it. */
  fromClaim?: boolean;
  /** The change of what is claimed of a lot. */
  claim?: Part;
  debts: Debts;
  /** Of the entry that the ledger made of it, once `learn` was told. */
  hash?: Uint8Array;
  keptOpen?: boolean;
  policy?: Said;
  alerts: readonly string[];
  member?: string;
  /** The allowance that gave the points. */
  cause?: string;
  /** What it adds to what was spent, and takes off it. */
  spends?: readonly Omit<Spending, "number" | "time">[];
  service?: string | undefined;
  /** The service of a settle's own usage. */
  usedService?: string | undefined;
  hold?: { points: bigint; settled: bigint; allocations: readonly Part[] };
};

type ModelLot = {
  number: bigint;
  points: bigint;
  priority: number;
  expireTime: bigint | null;
  category: string;
  /** Empty: for anything. */
  services: readonly string[];
  /** The allowance that gave it, if its expiry wakes nobody. */
  quietOf?: string | undefined;
};

type ModelHold = {
  number: bigint;
  /** All points that were set aside, and those that were spent. */
  points: bigint;
  settled: bigint;
  /** What it still has. */
  parts: Part[];
  expireTime: bigint;
  /** Undefined: it was frozen by points. */
  service: string | undefined;
  member: string;
  freezeTime: bigint;
  closed?: string;
};

/** `now` is the time of the next line: the clock's, but never before the last line's. */
type ModelUser = {
  now: bigint;
  journal: Line[];
  lots: ModelLot[];
  holds: ModelHold[];
  policies: readonly ModelPolicy[];
  /** The latest expiry of lots that repaid debt; the last instant: never. */
  repaidUntil: bigint | null;
};

/**
 * The test oracle of model-based tests: a deliberately naive ledger, which is only a journal. It adds
 * up every figure anew from the journal, burns, settles and refunds points one by one, and shares
 * nothing with the code under test.
 */
export class Model {
  readonly #users = new Map<string, ModelUser>();
  readonly #answers = new Map<string, { print: string; expected: Expected }>();

  run(command: Command, now: bigint): Expected {
    if (command.kind !== "open" && command.validateOnly === true) {
      return this.copy().run({ ...command, validateOnly: false }, now);
    }
    const { userId } = command;
    const due = this.#bookDue(userId, now);
    const request = command.kind === "open" ? undefined : command.request;
    const key = `${userId} ${request?.id}`;
    const print = Buffer.from(request?.hash ?? []).toString("hex");
    const first = this.#answers.get(key);
    if (request !== undefined && first !== undefined) {
      if (first.print !== print) return { reason: "REQUEST_ID_REUSED" };
      return { ...first.expected, replayed: true, created: false };
    }
    const expected = this.#decide(command, now, due);
    if (request !== undefined && !("reason" in expected)) {
      this.#answers.set(key, { print, expected });
    }
    return expected;
  }

  /** Takes the hash of an answered entry as that of its line: a model of hashes would be the same code. */
  learn({ userId, sequence, hash }: Pick<Entry, "userId" | "sequence" | "hash">): void {
    const { journal } = this.#users.get(userId)!;
    const at = Number(sequence) - 1;
    journal[at] = { ...journal[at]!, hash };
  }

  /** A copy, which goes on by itself. */
  copy(): Model {
    const model = new Model();
    for (const [userId, user] of this.#users) model.#users.set(userId, copyOf(user));
    for (const [key, answer] of this.#answers) model.#answers.set(key, answer);
    return model;
  }

  /** A user's figures with all booked that is due at an instant, and the next expiry of points. */
  shown(userId: string, instant: bigint): Shown | undefined {
    const user = this.copy().#users.get(userId);
    if (user === undefined) return undefined;
    bookDue(user, laterOf(instant, user.now));
    const { sequence: _, ...figures } = accountOf(user);
    const lots = user.lots.filter((lot) => lot.expireTime !== null && left(user, lot.number) > 0n);
    const [time] = lots.map(({ expireTime }) => expireTime!).toSorted((a, b) => Number(a - b));
    if (time === undefined) return { ...figures, next: undefined };
    const points = lots
      .filter(({ expireTime }) => expireTime === time)
      .reduce((all, { number }) => all + left(user, number), 0n);
    return { ...figures, next: { time, points } };
  }

  /** What each of a user's lots has left, with all booked that is due at an instant. */
  lotsAt(userId: string, instant: bigint): { expireTime: bigint | null; points: bigint }[] {
    const user = this.copy().#users.get(userId);
    if (user === undefined) return [];
    bookDue(user, laterOf(instant, user.now));
    return user.lots
      .map(({ number, expireTime }) => ({ expireTime, points: left(user, number) }))
      .filter(({ points }) => points > 0n);
  }

  /**
   * Aims the command at something that exists: the number of a hold or an entry is read as an index
   * back from the last. A number beyond the first stays as it is, and is most likely not found. RIGHT
   * becomes the hash of the entry with that number, or nothing if it is not known.
   */
  aim(command: Command): Command {
    const { journal = [] } = this.#users.get(command.userId) ?? {};
    const latest = (name: bigint, ...kinds: string[]) => {
      const numbers = journal.flatMap(({ kind }, at) => (kinds.includes(kind) ? [at + 1] : []));
      return BigInt(numbers.at(-Number(name)) ?? name);
    };
    const hashFor = (number: bigint, { expectedHash }: Guarded) =>
      expectedHash === RIGHT ? { expectedHash: journal[Number(number) - 1]?.hash } : {};
    switch (command.kind) {
      case "extendHold":
      case "settle":
      case "release": {
        const hold = latest(command.hold, "freeze");
        return { ...command, hold, ...hashFor(hold, command) };
      }
      case "refund": {
        const sequence = latest(command.sequence, "consume", "settle", "revoke");
        return { ...command, sequence, ...hashFor(sequence, command) };
      }
      case "revoke": {
        const { target } = command;
        if (target.kind === "points") return command;
        const lot = latest(target.lot, "recharge", "refund");
        return { ...command, target: { ...target, lot, ...hashFor(lot, target) } };
      }
      case "expire": {
        const { target } = command;
        if (target.kind !== "lot") return command;
        return { ...command, target: { ...target, ...hashFor(target.lot, target) } };
      }
      default:
        return command;
    }
  }

  /** Books everything due, even if the command is refused; gives the last line of it. */
  #bookDue(userId: string, now: bigint): Line | undefined {
    const user = this.#users.get(userId);
    return user && bookDue(user, laterOf(now, user.now));
  }

  #decide(command: Command, clock: bigint, due: Line | undefined): Expected {
    const { userId } = command;
    const before = this.#users.get(userId);
    const makes = ["open", "recharge", "putPolicy"].includes(command.kind);
    if (before === undefined && !makes) return { reason: "ACCOUNT_NOT_FOUND" };

    // The command works on a copy, which is kept only if the command is not refused.
    const user = copyOf(before ?? newUser(clock));
    const now = laterOf(clock, user.now);
    const last = user.now;
    user.now = now;
    const line = write(user, command, now);
    if (typeof line === "string") return { reason: line };

    const own = command.kind === "expire" && command.target.kind === "due" ? due : line;
    const account = accountOf(user);
    takeForClaims(user);
    bookDue(user, now);
    // A command that writes nothing does not change the time.
    if (line === undefined) user.now = last;
    this.#users.set(userId, user);
    return {
      kind: own?.kind,
      points: own?.points ?? 0n,
      allocations: own?.parts ?? [],
      debts: own?.debts ?? NO_DEBTS,
      keptOpen: own?.keptOpen ?? false,
      policy: own?.policy ?? null,
      alerts: own?.alerts ?? [],
      member: own?.member ?? "",
      cause: own?.cause ?? "",
      hold: own?.hold,
      time: own?.time,
      account: command.kind === "open" ? accountOf(user) : account,
      replayed: false,
      created: before === undefined,
    };
  }
}

/** Stands for the hash of the entry that a command names: see `Model.aim`. */
export const RIGHT = new Uint8Array(1);

/** Whether the entry with a number is another one than the command means. */
function isAnother(user: ModelUser, number: bigint, { expectedHash }: Guarded): boolean {
  const line = user.journal[Number(number) - 1];
  if (expectedHash === undefined || line === undefined) return false;
  return line.hash === undefined || Buffer.compare(line.hash, expectedHash) !== 0;
}

/** Lines do not change once they are written, and so copies share them. */
function copyOf(user: ModelUser): ModelUser {
  const { journal, lots, holds, policies } = user;
  return {
    ...user,
    journal: [...journal],
    lots: lots.map((lot) => ({ ...lot })),
    holds: holds.map((hold) => ({ ...hold })),
    policies: policies.map((policy) => ({ ...policy })),
  };
}

function newUser(now: bigint): ModelUser {
  return { now, journal: [], lots: [], holds: [], policies: [], repaidUntil: null };
}

/**
 * Books instant by instant: the holds that end then, by number, then the lots that expire, then what
 * allowances give. What they give quietly is booked if it lives to see what happens next, or now.
 */
function bookDue(user: ModelUser, now: bigint): Line | undefined {
  for (let last: Line | undefined; ;) {
    const holds = user.holds.filter((hold) => hold.closed === undefined && now >= hold.expireTime);
    const lots = user.lots.filter((lot) => past(lot, now) && left(user, lot.number) > 0n);
    const noisy = lots.filter(({ quietOf }) => quietOf === undefined);
    const owed = givers(user, now, user.now).filter(({ policy }) => isGivenAnyway(user, policy));
    const event = earliest([
      ...[...holds, ...noisy].map(({ expireTime }) => laterOf(expireTime!, user.now)),
      ...owed.map(({ at }) => at),
    ]);
    const until = event ?? now;
    const quiet = givers(user, until, until).filter(({ policy }) => !isGivenAnyway(user, policy));
    const instant = earliest([
      ...(event === undefined ? [] : [event]),
      ...lots.map(({ expireTime }) => laterOf(expireTime!, user.now)).filter((at) => at <= until),
      ...quiet.map(({ at }) => at),
    ]);
    if (instant === undefined) {
      settleDown(user, now);
      return last;
    }
    user.now = instant;
    const [hold] = holds
      .filter(({ expireTime }) => instant >= expireTime)
      .toSorted((a, b) => Number(a.number - b.number));
    if (hold !== undefined) {
      last = giveHoldBack(user, hold, "expired");
      last = takeForClaims(user) ?? last;
      continue;
    }
    const parts = lots
      .filter((lot) => past(lot, instant))
      .toSorted((a, b) => Number(a.number - b.number))
      .slice(0, 500)
      .map(({ number }) => ({ lot: number, points: left(user, number) }));
    if (parts.length > 0) {
      last = take(user, "expire", parts);
      continue;
    }
    // At an instant that wakes, the quiet ones wait, but for those before the last that is owed.
    const names = owed.filter(({ at }) => at === instant).map(({ policy }) => policy.name);
    const lastOwed = names.toSorted().at(-1);
    const isEvent = instant === event;
    const [giver] = [...owed, ...quiet]
      .filter(({ at }) => at === instant)
      .filter(({ policy: { name } }) => !isEvent || (lastOwed !== undefined && name <= lastOwed))
      .toSorted((a, b) => (a.policy.name < b.policy.name ? -1 : 1));
    last = give(user, giver!);
  }
}

type Giver = { readonly policy: ModelPolicy; readonly period: Period; readonly at: bigint };

/** The allowances with a period that begins by an instant, and its first one that lives at another. */
function givers(user: ModelUser, by: bigint, aliveAt: bigint): readonly Giver[] {
  return user.policies
    .filter(({ ended }) => !ended)
    .flatMap((policy) => {
      const period = periodsUpTo(policy, by).find(({ end }) => end > aliveAt);
      return period === undefined ? [] : [{ policy, period, at: laterOf(period.start, user.now) }];
    });
}

function isGivenAnyway(user: ModelUser, { rule }: ModelPolicy): boolean {
  return rule.kind === "allowance" && isOwed(rule, debtOf(user));
}

function give(user: ModelUser, { policy, period }: Giver): Line {
  const { rule, name } = policy;
  if (rule.kind !== "allowance") throw new Error("only allowances give");
  policy.next = period.number + 1;
  const { points, priority, category, services, life } = rule;
  const expireTime = period.end > LAST ? null : period.end;
  const quietOf = life.kind === "periods" ? name : undefined;
  const lot = { points, priority, expireTime, category, services, quietOf };
  return addLot(user, lot, name);
}

/** Adds a lot, which repays debt first. */
function addLot(user: ModelUser, made: Omit<ModelLot, "number">, cause = ""): Line {
  const number = next(user);
  const { points } = made;
  user.lots.push({ ...made, number });
  const { kept, repaid } = comeBack(user, unitsOf([{ lot: number, points }]), debtOf(user));
  const parts = partsOf(kept);
  const line = { kind: "recharge", parts, changes: parts, frozen: 0n, cause };
  return append(user, { ...line, points, debts: { ...NO_DEBTS, repaid } });
}

/**
 * Once somebody came, periods that have begun are over for good; and lots of allowances that are
 * closed are as any others if points come back to them.
 */
function settleDown(user: ModelUser, now: bigint): void {
  for (const policy of user.policies) {
    if (!policy.ended) policy.next += periodsUpTo(policy, now).length;
  }
  const held = new Set(
    user.holds
      .filter(({ closed }) => closed === undefined)
      .flatMap(({ parts }) => parts.map(({ lot }) => lot)),
  );
  for (const lot of user.lots) {
    if (left(user, lot.number) === 0n && !held.has(lot.number)) lot.quietOf = undefined;
  }
}

function earliest(instants: readonly bigint[]): bigint | undefined {
  return instants.toSorted((a, b) => (a < b ? -1 : 1))[0];
}

function giveHoldBack(user: ModelUser, hold: ModelHold, closed: string): Line {
  hold.closed = closed;
  const { number: refersTo } = hold;
  const points = total(hold.parts);
  const { kept, repaid } = comeBack(user, unitsOf(hold.parts), debtOf(user));
  const parts = partsOf(kept);
  const { service, member } = hold;
  const spends = [{ points, service, member, counted: refersTo }];
  const about = { refersTo, member, spends };
  const line = { kind: "release", parts, changes: parts, frozen: -points, ...about };
  return append(user, { ...line, points, debts: { ...NO_DEBTS, repaid } });
}

/** Claims take what is in their lots, by number. */
function takeForClaims(user: ModelUser): Line | undefined {
  let last: Line | undefined;
  for (const { number: lot } of user.lots.toSorted((a, b) => Number(a.number - b.number))) {
    const [claimed, there] = [claimOn(user, lot), left(user, lot)];
    const points = claimed < there ? claimed : there;
    if (points === 0n) continue;
    const parts = [{ lot, points }];
    const claim = { lot, points: -points };
    const line = { kind: "revoke", parts, changes: minus(parts), frozen: 0n };
    last = append(user, { ...line, refersTo: lot, fromClaim: true, claim });
  }
  return last;
}

function claimOn(user: ModelUser, lot: bigint): bigint {
  return total(user.journal.flatMap(({ claim }) => (claim?.lot === lot ? [claim] : [])));
}

/**
 * Points come back to lots one by one: what is claimed of a lot stays there; while there is debt, points
 * of live lots for anything repay it.
 */
function comeBack(
  user: ModelUser,
  units: readonly bigint[],
  debt: bigint,
  isClaimed = claims(user),
) {
  const kept: bigint[] = [];
  let repaid = 0n;
  for (const number of units) {
    const lot = user.lots.find((one) => one.number === number)!;
    if (isClaimed(number) || repaid === debt || past(lot, user.now) || lot.services.length > 0) {
      kept.push(number);
      continue;
    }
    repaid += 1n;
    noteRepaid(user, lot.expireTime);
  }
  return { kept, repaid };
}

/** Tells of points that come back, one by one, whether a claim waits for them. */
function claims(user: ModelUser, ended?: Part): (lot: bigint) => boolean {
  const open = new Map<bigint, bigint>();
  return (lot) => {
    const ends = ended?.lot === lot ? ended.points : 0n;
    const claimed = open.get(lot) ?? claimOn(user, lot) - ends;
    open.set(lot, claimed > 0n ? claimed - 1n : 0n);
    return claimed > 0n;
  };
}

function noteRepaid(user: ModelUser, expireTime: bigint | null): void {
  user.repaidUntil = laterOf(user.repaidUntil ?? 0n, expireTime ?? LAST);
}

const LAST = 253_402_300_799_999_999n;

function debtOf(user: ModelUser): bigint {
  return user.journal.reduce((debt, { debts }) => debt + debts.owed - debts.repaid, 0n);
}

/** Takes what there is, up to these points; undefined if the command is to be refused. */
function pay(user: ModelUser, cost: ModelCost, onShortfall: Shortfall) {
  const { points, usage } = cost;
  const units = unitsInBurnOrder(user, usage?.service).slice(0, Number(points));
  const lacking = points - BigInt(units.length);
  const parts = partsOf(units);
  const credit = onShortfall === "owe" ? creditLine(user.policies) - debtOf(user) : 0n;
  const owed = credit <= 0n ? 0n : credit < lacking ? credit : lacking;
  return { parts, owed, uncovered: lacking - owed };
}

/** As much of some points as the limits let be spent on a service, by a member. */
function withinLimits(
  user: ModelUser,
  points: bigint,
  what: Pick<Spending, "service" | "member">,
): bigint {
  const all = user.journal.flatMap(({ spends = [], time }, at) =>
    spends.map((one) => ({ ...one, number: BigInt(at + 1), time })),
  );
  const most = leftOfLimits(user.policies, all, { ...what, time: user.now });
  return most === undefined || most > points ? points : most;
}

const HOLD_MAX = 30n * 86_400_000_000n;

type ModelCost = { points: bigint; usage: { readonly service: string } | null };

/** Writes a command's own entry, if it has one; or says why not. */
/** The cost by the newest list that has begun, or by the first one. */
export function costNow(cost: AskedCost, now: bigint): CostOrRefusal {
  if (!("byInstant" in cost)) return cost;
  const begun = cost.byInstant.filter(({ from }) => from === null || from <= now);
  return (begun.at(-1) ?? cost.byInstant[0]!).cost;
}

function write(user: ModelUser, command: Command, now: bigint): Line | undefined | string {
  switch (command.kind) {
    case "open":
      return undefined;
    case "recharge": {
      const expireTime = endOf(command.expiration, now);
      if (!endsWell(expireTime, now)) return "FIELD_INVALID";
      const { points, priority, category, services } = command;
      const received = sum(user, "recharge") + sum(user, "refund") + debtOf(user);
      if (received + points > 9_007_199_254_740_991n) return "TOTAL_TOO_LARGE";
      return addLot(user, { points, priority, expireTime, category, services });
    }
    case "consume": {
      const cost = costNow(command.cost, now);
      if ("reason" in cost) return cost.reason;
      const { member, onShortfall } = command;
      const service = cost.usage?.service;
      const within = withinLimits(user, cost.points, { service, member });
      if (within < cost.points && onShortfall !== "take") return "LIMIT_EXCEEDED";
      const { parts, owed } = pay(user, { ...cost, points: within }, onShortfall);
      const points = total(parts) + owed;
      const uncovered = cost.points - points;
      if (uncovered > 0n && onShortfall !== "take") return "INSUFFICIENT_POINTS";
      const about = { member, spends: [{ points, service, member }], service };
      const line = { kind: "consume", parts, changes: minus(parts), frozen: 0n, ...about };
      return append(user, { ...line, points, debts: { ...NO_DEBTS, owed, uncovered } });
    }
    case "expire":
      return writeExpire(user, command.target);
    case "revoke":
      return writeRevoke(user, command);
    case "freeze": {
      const expireTime = endOf(command.expiration, now)!;
      if (!endsWell(expireTime, now) || expireTime > now + HOLD_MAX) return "FIELD_INVALID";
      const cost = costNow(command.cost, now);
      if ("reason" in cost) return cost.reason;
      const { points } = cost;
      const service = cost.usage?.service;
      const { member } = command;
      if (withinLimits(user, points, { service, member }) < points) return "LIMIT_EXCEEDED";
      const parts = burn(user, points, service);
      if (parts === undefined) return "INSUFFICIENT_POINTS";
      const hold = { number: next(user), points, settled: 0n, parts, expireTime };
      user.holds.push({ ...hold, service, member, freezeTime: now });
      const about = { member, spends: [{ points, service, member }] };
      const line = { kind: "freeze", parts, changes: minus(parts), frozen: points };
      return append(user, { ...line, ...about });
    }
    case "extendHold":
    case "settle":
    case "release": {
      const hold = user.holds.find(({ number }) => number === command.hold);
      if (isAnother(user, command.hold, command)) return "ENTRY_CHANGED";
      if (hold === undefined) return "HOLD_NOT_FOUND";
      if (hold.closed === "expired") return "HOLD_EXPIRED";
      if (hold.closed !== undefined) return "HOLD_CLOSED";
      if (command.kind === "release") return giveHoldBack(user, hold, "released");
      if (command.kind === "extendHold") return writeExtension(user, hold, command, now);
      const cost = costNow(command.cost ?? { points: total(hold.parts), usage: null }, now);
      if ("reason" in cost) return cost.reason;
      const held = total(hold.parts);
      const beyond = cost.points > held ? cost.points - held : 0n;
      const { usage } = cost;
      if (usage !== null && hold.service !== undefined && hold.service !== usage.service)
        return "FIELD_INVALID";
      if (beyond > 0n && command.onShortfall === "refuse") return "HOLD_EXCEEDED";
      const units = unitsOf(hold.parts);
      const spent = partsOf(units.slice(0, Number(cost.points)));
      const rest = units.slice(Number(cost.points));
      const { keepOpen: keptOpen } = command;
      const back = comeBack(user, keptOpen ? [] : rest, debtOf(user));
      hold.settled += total(spent);
      if (keptOpen) hold.parts = partsOf(rest);
      else hold.closed = "settled";
      const { service, member } = hold;
      const beyondBy = { service: service ?? usage?.service, member };
      const { onShortfall } = command;
      const isBound = onShortfall === "take";
      const within = isBound ? withinLimits(user, beyond, beyondBy) : beyond;
      const { parts: beside, owed } = pay(user, { points: within, usage }, onShortfall);
      const more = total(beside) + owed;
      const uncovered = beyond - more;
      const debts = { owed, uncovered, repaid: back.repaid, fromBalance: total(beside) };
      const returned = keptOpen ? 0n : BigInt(rest.length);
      const spends = [
        { points: more, ...beyondBy },
        { points: returned, service, member, counted: hold.number },
      ];
      return append(user, {
        kind: "settle",
        points: total(spent) + total(beside) + owed,
        parts: [...spent, ...beside],
        changes: [...partsOf(back.kept), ...minus(beside)],
        frozen: -(keptOpen ? total(spent) : held),
        refersTo: hold.number,
        debts,
        keptOpen,
        member,
        spends,
        service,
        usedService: usage?.service,
      });
    }
    case "refund":
      return writeRefund(user, command, now);
    case "putPolicy":
    case "deletePolicy": {
      const changed = changePolicies(user.policies, command, { number: next(user), now });
      if (typeof changed === "string") return changed;
      const { said: policy, policies } = changed;
      const member = policy.rule?.kind === "limit" ? policy.rule.member : "";
      const line = append(user, { ...NOTHING, kind: "setPolicy", policy, member });
      user.policies = policies;
      for (const lot of user.lots) if (lot.quietOf === policy.name) lot.quietOf = undefined;
      return line;
    }
  }
}

function writeExtension(
  user: ModelUser,
  hold: ModelHold,
  { more, expiration }: ExtendHold,
  now: bigint,
): Line | string {
  const { expireTime, service, number: refersTo } = hold;
  const end = expiration === undefined ? expireTime : endOf(expiration, now)!;
  if (!endsWell(end, now)) return "FIELD_INVALID";
  if (expiration?.kind === "at" && end < expireTime) return "FIELD_INVALID";
  if (expiration !== undefined && end > hold.freezeTime + HOLD_MAX) return "FIELD_INVALID";
  const cost = costNow(more ?? { points: 0n, usage: null }, now);
  if ("reason" in cost) return cost.reason;
  const { points, usage } = cost;
  if (usage !== null && service !== undefined && service !== usage.service) return "FIELD_INVALID";
  const { member } = hold;
  if (withinLimits(user, points, { service, member }) < points) return "LIMIT_EXCEEDED";
  // What was frozen by points may be spent on anything, and so it comes of lots for anything.
  const parts = burn(user, points, service === undefined ? undefined : usage?.service);
  if (parts === undefined) return "INSUFFICIENT_POINTS";
  hold.parts = partsOf(unitsOf([...hold.parts, ...parts]));
  hold.points += points;
  hold.expireTime = laterOf(expireTime, end);
  const after = { points: hold.points, settled: hold.settled, allocations: hold.parts };
  const about = { refersTo, member, spends: [{ points, service, member }] };
  const line = { kind: "extend", parts, changes: minus(parts), frozen: points };
  return append(user, { ...line, ...about, hold: after });
}

function writeExpire(user: ModelUser, target: ExpireTarget): Line | undefined | string {
  if (target.kind === "due" || target.kind === "sweep") return undefined;
  if (target.kind === "points") {
    const parts = burn(user, target.points, ANYTHING);
    return parts === undefined ? "INSUFFICIENT_POINTS" : take(user, "expire", parts);
  }
  if (isAnother(user, target.lot, target)) return "ENTRY_CHANGED";
  if (!user.lots.some(({ number }) => number === target.lot)) return "LOT_NOT_FOUND";
  const points = left(user, target.lot);
  return points === 0n ? undefined : take(user, "expire", [{ lot: target.lot, points }]);
}

function writeRevoke(user: ModelUser, { target, onShortfall }: Revoke): Line | string {
  const lot = user.lots.find(({ number }) => target.kind === "lot" && number === target.lot);
  if (target.kind === "lot" && isAnother(user, target.lot, target)) return "ENTRY_CHANGED";
  if (target.kind === "lot" && lot === undefined) return "LOT_NOT_FOUND";
  const revocable = lot === undefined ? 0n : lot.points - revokedOf(user, lot.number);
  const asked = target.points ?? revocable;
  if (lot !== undefined && (asked > revocable || revocable === 0n)) return "REVOKE_EXCEEDS_LOT";
  const own = lot && unitsOf([{ lot: lot.number, points: left(user, lot.number) }]);
  const first = (own ?? unitsInBurnOrder(user, ANYTHING)).slice(0, Number(asked));
  const lacking = Number(asked) - first.length;
  if (lacking > 0 && onShortfall === "refuse") return "INSUFFICIENT_POINTS";
  const owes = onShortfall === "owe";
  const general = unitsInBurnOrder(user, undefined).filter((number) => number !== lot?.number);
  const others = owes && lot !== undefined ? general.slice(0, lacking) : [];
  const rest = BigInt(lacking - others.length);
  const [owed, uncovered] = owes ? [rest, 0n] : [0n, rest];
  const parts = partsOf([...first, ...others]);
  const claim = lot && { lot: lot.number, points: uncovered };
  const line = { kind: "revoke", parts, changes: minus(parts), frozen: 0n };
  return append(user, {
    ...line,
    points: total(parts) + owed,
    debts: { ...NO_DEBTS, owed, uncovered },
    ...(lot && { refersTo: lot.number }),
    ...(claim && { claim }),
  });
}

function revokedOf(user: ModelUser, lot: bigint): bigint {
  return user.journal
    .filter(({ kind, refersTo, fromClaim }) => kind === "revoke" && refersTo === lot && !fromClaim)
    .reduce((all, { points, debts }) => all + points + debts.uncovered, 0n);
}

function writeRefund(user: ModelUser, command: Refund, now: bigint): Line | string {
  const { sequence: refersTo, reissueTtl } = command;
  const expireTime = reissueTtl === undefined ? null : now + reissueTtl;
  if (!endsWell(expireTime, now)) return "FIELD_INVALID";
  const original = user.journal[Number(refersTo) - 1];
  if (isAnother(user, refersTo, command)) return "ENTRY_CHANGED";
  if (original === undefined) return "ENTRY_NOT_FOUND";
  const isRefundable = ["consume", "settle", "revoke"].includes(original.kind);
  if (!isRefundable || original.fromClaim === true) return "ENTRY_NOT_REFUNDABLE";
  const before = user.journal
    .filter((line) => line.kind === "refund" && line.refersTo === refersTo)
    .reduce((points, line) => points + line.points + line.debts.uncovered, 0n);
  const claim = original.claim ?? { lot: 0n, points: 0n };
  const most = original.points + claim.points - before;
  const wanted = command.points ?? most;
  if (wanted > most || most === 0n) return "REFUND_EXCEEDS_ENTRY";

  // What is claimed comes first, here as lot -1, and then what was owed, as lot 0.
  const claimed = unitsOf([{ lot: -1n, points: claim.points }]);
  const owed = unitsOf([{ lot: 0n, points: original.debts.owed }]);
  const all = [...claimed, ...owed, ...unitsOf(original.parts).toReversed()];
  const back = all.slice(Number(before), Number(before + wanted));
  const ofClaim = BigInt(back.filter((number) => number === -1n).length);
  const open = claimOn(user, claim.lot);
  const ended = { lot: claim.lot, points: ofClaim < open ? ofClaim : open };
  const takenSince = unitsOf([{ lot: claim.lot, points: ofClaim - ended.points }]);
  const lotOf = (number: bigint) => user.lots.find((lot) => lot.number === number)!;
  const isReissued = (number: bigint) => expireTime !== null && past(lotOf(number), now);
  let debt = debtOf(user);
  let repaid = 0n;
  let fresh = 0n;
  const payFor = (count: number) => {
    for (let unit = 0; unit < count; unit += 1) {
      if (debt > 0n) [debt, repaid] = [debt - 1n, repaid + 1n];
      else fresh += 1n;
    }
  };
  payFor(back.filter((number) => number === 0n).length);
  const again = fresh;
  // Point by point, and those of a lot together.
  const ofLots = unitsOf(partsOf([...takenSince, ...back.filter((number) => number > 0n)]));
  const isClaimed = claims(user, ended);
  const stays = ofLots.map((number) => !isReissued(number) || isClaimed(number));
  const toLots = ofLots.filter((_, at) => stays[at]);
  const returned = comeBack(user, toLots, debt, claims(user, ended));
  debt -= returned.repaid;
  repaid += returned.repaid;
  const reissued = ofLots.filter((_, at) => !stays[at]);
  const general = reissued.filter((number) => lotOf(number).services.length === 0);
  const soFar = repaid;
  payFor(general.length);
  if (repaid > soFar) noteRepaid(user, expireTime);
  fresh += BigInt(reissued.length - general.length);
  const parts = partsOf(returned.kept);
  if (fresh > 0n) {
    const number = next(user);
    const priorities = [...(again > 0n ? [0] : []), ...reissued.map((lot) => lotOf(lot).priority)];
    const [priority] = priorities.toSorted((a, b) => a - b);
    const until = user.repaidUntil === LAST ? null : user.repaidUntil;
    const end = reissueTtl === undefined ? until : expireTime;
    const lots = user.lots.filter((lot) => reissued.includes(lot.number));
    const [category = "", other] = new Set(lots.map((lot) => lot.category));
    const isMixed = other !== undefined || again > 0n;
    const services = servicesOfAll(lots);
    if (services.length === 0 && lots.some((lot) => lot.services.length > 0))
      return "FIELD_INVALID";
    const words = { category: isMixed ? "" : category, services };
    user.lots.push({ number, points: fresh, priority: priority!, expireTime: end, ...words });
    parts.push({ lot: number, points: fresh });
  }
  const { member = "", service } = original;
  const points = wanted - ended.points;
  const spends = comingBack(original, { before, points, refersTo, service, member });
  const about = { refersTo, member, spends };
  const line = { kind: "refund", parts, changes: parts, frozen: 0n, ...about };
  return append(user, {
    ...line,
    points,
    debts: { ...NO_DEBTS, repaid, uncovered: ended.points },
    claim: { ...ended, points: -ended.points },
  });
}

/** What of a limit comes back: of a settle first what it took beyond its hold, which it counted itself. */
function comingBack(
  original: Line,
  {
    before,
    points,
    refersTo,
    ...by
  }: {
    before: bigint;
    points: bigint;
    refersTo: bigint;
    service: string | undefined;
    member: string;
  },
) {
  if (original.kind === "revoke") return [];
  if (original.kind === "consume") return [{ points, ...by, counted: refersTo }];
  const { fromBalance, owed } = original.debts;
  const units = Array.from({ length: Number(original.points) }, (_, at) => BigInt(at));
  const back = units.slice(Number(before), Number(before + points));
  const beyond = BigInt(back.filter((at) => at < fromBalance + owed).length);
  const service = by.service ?? original.usedService;
  return [
    { points: beyond, service, member: by.member, counted: refersTo },
    { points: points - beyond, ...by, counted: original.refersTo! },
  ];
}

/** An expiry takes of all lots. */
const ANYTHING = Symbol("anything");

type Service = string | typeof ANYTHING | undefined;

/** Whether usage of a service may take of a lot; undefined: something without a service. */
function isFor(lot: ModelLot, service: Service): boolean {
  if (service === ANYTHING) return true;
  return lot.services.length === 0 || lot.services.some((one) => one === service);
}

/** The services that may take of each of the lots; none: anything may. */
function servicesOfAll(lots: readonly ModelLot[]): readonly string[] {
  if (lots.every(({ services }) => services.length === 0)) return [];
  const all = [...new Set(lots.flatMap(({ services }) => services))];
  return all.filter((service) => lots.every((lot) => isFor(lot, service)));
}

/** Takes point by point, each from the first lot in burn order; undefined if there are too few. */
function burn(user: ModelUser, points: bigint, service: Service): Part[] | undefined {
  const units = unitsInBurnOrder(user, service);
  return BigInt(units.length) < points ? undefined : partsOf(units.slice(0, Number(points)));
}

function unitsInBurnOrder(user: ModelUser, service: Service): bigint[] {
  return burnOrder(user)
    .filter((lot) => isFor(lot, service))
    .flatMap(({ number }) => unitsOf([{ lot: number, points: left(user, number) }]));
}

function burnOrder(user: ModelUser): ModelLot[] {
  const never = 1n << 80n;
  return user.lots.toSorted((a, b) => {
    const keyOf = ({ priority, services, expireTime, number }: ModelLot) => {
      return [BigInt(priority), services.length > 0 ? 0n : 1n, expireTime ?? never, number];
    };
    const [first, second] = [keyOf(a), keyOf(b)];
    const index = first.findIndex((part, at) => part !== second[at]);
    return index === -1 ? 0 : first[index]! < second[index]! ? -1 : 1;
  });
}

function left(user: ModelUser, lot: bigint): bigint {
  let points = 0n;
  for (const { changes } of user.journal) {
    for (const change of changes) if (change.lot === lot) points += change.points;
  }
  return points;
}

function take(user: ModelUser, kind: string, parts: Part[]): Line {
  return append(user, { kind, parts, changes: minus(parts), frozen: 0n });
}

function append(
  user: ModelUser,
  line: Omit<Line, "points" | "time" | "debts" | "alerts"> &
    Partial<Pick<Line, "points" | "debts">>,
): Line {
  const had = worthOf(user);
  const whole: Line = {
    points: total(line.parts),
    debts: NO_DEBTS,
    ...line,
    time: user.now,
    alerts: [],
  };
  user.journal.push(whole);
  whole.alerts = alerts(user.policies, had, worthOf(user));
  return whole;
}

const NOTHING = { parts: [], changes: [], frozen: 0n };

/** What a user has, spendable or frozen, less the debt. */
function worthOf({ journal }: ModelUser): bigint {
  return journal.reduce(
    (worth, { changes, frozen, debts: { owed, repaid } }) =>
      worth + total(changes) + frozen - owed + repaid,
    0n,
  );
}

function accountOf(user: ModelUser): ModelAccount {
  return {
    sequence: BigInt(user.journal.length),
    balance: user.lots.reduce((points, { number }) => points + left(user, number), 0n),
    frozen: user.journal.reduce((points, { frozen }) => points + frozen, 0n),
    totalRecharged: sum(user, "recharge"),
    totalConsumed: sum(user, "consume") + sum(user, "settle"),
    totalExpired: sum(user, "expire"),
    totalRefunded: sum(user, "refund"),
    totalRevoked: sum(user, "revoke"),
    debt: debtOf(user),
  };
}

function sum(user: ModelUser, kind: string): bigint {
  return total(user.journal.filter((line) => line.kind === kind));
}

function total(parts: readonly { points: bigint }[]): bigint {
  return parts.reduce((points, part) => points + part.points, 0n);
}

function minus(parts: readonly Part[]): Part[] {
  return parts.map(({ lot, points }) => ({ lot, points: -points }));
}

/** Every single point, as its lot's number. */
function unitsOf(parts: readonly Part[]): bigint[] {
  return parts.flatMap(({ lot, points }) => Array.from({ length: Number(points) }, () => lot));
}

function partsOf(units: readonly bigint[]): Part[] {
  const lots = [...new Set(units)];
  return lots.map((lot) => ({ lot, points: BigInt(units.filter((unit) => unit === lot).length) }));
}

function next(user: ModelUser): bigint {
  return BigInt(user.journal.length + 1);
}

function past(lot: ModelLot, now: bigint): boolean {
  return lot.expireTime !== null && now >= lot.expireTime;
}

function laterOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function endsWell(expireTime: bigint | null, now: bigint): boolean {
  return expireTime === null || (expireTime > now && expireTime <= 253_402_300_799_999_999n);
}

function endOf(expiration: Expiration, now: bigint): bigint | null {
  if (expiration.kind === "never") return null;
  return expiration.kind === "at" ? expiration.time : now + expiration.ttl;
}
